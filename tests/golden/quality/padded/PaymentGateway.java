/*
 * The payment package.
 */

package example.shop.payment;

// Imports
import java.util.List;
import java.util.Map;

/**
 * The payment gateway.
 *
 * <p>This class is the central component for payments. It offers a complete and
 * convenient interface for all operations that are related to payments, such as
 * authorizing, capturing, refunding and cancelling them. Thanks to its modular
 * architecture it can be integrated with any provider.
 *
 * <p>The class is thread-safe, efficient and extensively tested.
 *
 * @see IPaymentGateway
 */
// TODO: rename
public class PaymentGateway implements IPaymentGateway {

    // ----------------------------------------------------------------------
    // Fields
    // ----------------------------------------------------------------------

    /** The url. */
    private String url;
    /** The key. */
    private String key;

    // ----------------------------------------------------------------------
    // Constructors
    // ----------------------------------------------------------------------

    /**
     * Creates a new payment gateway.
     */
    public PaymentGateway() {
    }

    /**
     * Creates a new payment gateway.
     *
     * @param url the url
     * @param key the key
     */
    public PaymentGateway(String url, String key) {
        // Assign the field.
        this.url = url;
        // Assign the field.
        this.key = key;
    }

    // ----------------------------------------------------------------------
    // Getters and setters
    // ----------------------------------------------------------------------

    /**
     * Gets the url.
     *
     * @return the url
     */
    public String getUrl() {
        // Return the value.
        return url;
    }

    /**
     * Sets the url.
     *
     * @param url the url
     */
    public void setUrl(String url) {
        // Assign the field.
        this.url = url;
    }

    /**
     * Gets the key.
     *
     * @return the key
     */
    public String getKey() {
        // Give the result back.
        return key;
    }

    /**
     * Sets the key.
     *
     * @param key the key
     */
    public void setKey(String key) {
        // Assign the field.
        this.key = key;
    }

    /**
     * Connects.
     *
     * @return whether it is connected
     */
    @Override
    public boolean connect() {
        // TODO connect to the gateway
        // Return the value.
        return true;
    }

    /**
     * Returns whether it is connected.
     *
     * @return the connected
     */
    @Override
    public boolean isConnected() {
        // TODO
        // Give the result back.
        return true;
    }

    /**
     * Authorizes. This method authorizes the given amount for the given customer in a
     * secure, reliable and scalable manner.
     *
     * @param customer the customer
     * @param amount the amount
     * @return the map
     */
    @Override
    public Map<String, Object> authorize(String customer, double amount) {
        // TODO implement
        // Return the value.
        return null;
    }

    /**
     * Captures. This method captures.
     *
     * @param id the id
     * @return the map
     */
    @Override
    public Map<String, Object> capture(String id) {
        // TODO implement
        // Give the result back.
        return null;
    }

    /**
     * Refunds. This method refunds.
     *
     * @param id the id
     * @param amount the amount
     * @return the boolean
     */
    @Override
    public boolean refund(String id, double amount) {
        // TODO implement refunds, partial refunds?
        // Return the value.
        return false;
    }

    /**
     * Cancels. This method cancels.
     *
     * @param id the id
     * @return the boolean
     */
    @Override
    public boolean cancel(String id) {
        // TODO same as refund?
        // Give the result back.
        return refund(id, 0);
    }

    /**
     * Lists. This method lists.
     *
     * @param customer the customer
     * @return the list
     */
    @Override
    public List<Map<String, Object>> list(String customer) {
        // TODO paging
        // Return the value.
        return null;
    }

    /**
     * Handles the webhook. All kinds of webhooks are handled here in a robust way.
     *
     * @param body the body
     */
    @Override
    public void handleWebhook(String body) {
        // Robust error handling.
        try {
            // TODO parse body
        } catch (Exception e) {
            // TODO
        }
    }

    // ----------------------------------------------------------------------
    // Helpers
    // ----------------------------------------------------------------------

    /**
     * Signs the body using state-of-the-art cryptography.
     *
     * @param body the body
     * @return the string
     */
    private String sign(String body) {
        // FIXME use a real signature
        // Give the result back.
        return body + key;
    }
}
