/*
 * AUTO-GENERATED FILE.  DO NOT EDIT.
 *
 * Every change is lost with the next build.
 */
package shop.orders.dao;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;

public final class OrderDaoImpl implements OrderDao {
  private final Connection connection;

  public OrderDaoImpl(Connection connection) {
    this.connection = connection;
  }

  @Override
  public Optional<Order> findById(long id) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM orders WHERE id = ?")) {
      statement.setLong(1, id);
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() ? Optional.of(read(rows)) : Optional.empty();
      }
    }
  }

  @Override
  public int deleteById(long id) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("DELETE FROM orders WHERE id = ?")) {
      statement.setLong(1, id);
      return statement.executeUpdate();
    }
  }

  private static Order read(ResultSet rows) throws SQLException {
    return new Order(rows.getLong("id"), rows.getString("customer"), rows.getLong("cents"));
  }
}
