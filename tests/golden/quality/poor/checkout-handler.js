const db = require('./db');
const mailer = require('./mailer');
const payments = require('./payments');

async function handleCheckout(req, res) {
  let user = null;
  let cart = null;
  let discount = 0;
  let shipping = 0;
  let tax = 0;
  let subtotal = 0;
  let messages = [];
  if (req.session && req.session.userId) {
    user = await db.query('select * from users where id = ' + req.session.userId);
    if (user && user.length > 0) {
      user = user[0];
      if (user.blocked == 1) {
        res.status(403).send('<h1>Blocked</h1>');
        return;
      }
    } else {
      res.redirect('/login');
      return;
    }
  } else {
    if (req.body.email) {
      if (req.body.email.indexOf('@') == -1) {
        res.status(400).send('<h1>Bad email</h1>');
        return;
      }
      user = { id: null, email: req.body.email, name: req.body.name, level: 'guest' };
    } else {
      res.redirect('/login');
      return;
    }
  }
  if (req.body.cartId) {
    cart = await db.query('select * from carts where id = ' + req.body.cartId);
    cart = cart[0];
    cart.items = await db.query('select * from cart_items where cart_id = ' + cart.id);
  } else {
    if (req.session.cart) {
      cart = req.session.cart;
    } else {
      res.redirect('/cart');
      return;
    }
  }
  for (let i = 0; i < cart.items.length; i++) {
    let product = await db.query('select * from products where id = ' + cart.items[i].product_id);
    product = product[0];
    if (product) {
      if (product.stock < cart.items[i].quantity) {
        if (product.stock > 0) {
          cart.items[i].quantity = product.stock;
          messages.push('We only have ' + product.stock + ' of ' + product.name);
        } else {
          cart.items.splice(i, 1);
          i--;
          messages.push(product.name + ' is sold out');
          continue;
        }
      }
      let price = product.price;
      if (product.sale_price && product.sale_start < Date.now() && product.sale_end > Date.now()) {
        price = product.sale_price;
      }
      if (user.level == 'gold') {
        price = price * 0.95;
      } else if (user.level == 'platinum') {
        price = price * 0.9;
      }
      if (cart.items[i].quantity >= 10) {
        price = price * 0.97;
      }
      cart.items[i].price = price;
      cart.items[i].name = product.name;
      subtotal += price * cart.items[i].quantity;
      if (product.category == 'books') {
        tax += price * cart.items[i].quantity * 0.07;
      } else if (product.category == 'food') {
        tax += price * cart.items[i].quantity * 0.07;
      } else {
        tax += price * cart.items[i].quantity * 0.19;
      }
      if (product.weight > 20) {
        shipping += 15;
      } else if (product.weight > 5) {
        shipping += 5;
      } else {
        shipping += 1;
      }
    } else {
      cart.items.splice(i, 1);
      i--;
    }
  }
  if (cart.items.length == 0) {
    res.send('<h1>Your cart is empty</h1><p>' + messages.join('<br>') + '</p>');
    return;
  }
  if (req.body.coupon) {
    let coupon = await db.query("select * from coupons where code = '" + req.body.coupon + "'");
    if (coupon.length > 0) {
      coupon = coupon[0];
      if (coupon.expires > Date.now()) {
        if (coupon.kind == 'percent') {
          discount = subtotal * coupon.value / 100;
        } else if (coupon.kind == 'fixed') {
          discount = coupon.value;
        } else if (coupon.kind == 'shipping') {
          shipping = 0;
        }
        if (coupon.min && subtotal < coupon.min) {
          discount = 0;
          messages.push('Coupon needs a minimum of ' + coupon.min);
        }
      } else {
        messages.push('Coupon expired');
      }
    } else {
      messages.push('Coupon not found');
    }
  }
  if (subtotal > 50) {
    shipping = 0;
  }
  if (req.body.express == 'on') {
    shipping += 12;
  }
  let total = subtotal - discount + tax + shipping;
  if (total < 0) {
    total = 0;
  }
  let orderNumber = 'A' + Date.now() + Math.floor(Math.random() * 1000);
  let paid = false;
  let paymentRef = '';
  if (req.body.payment == 'card') {
    try {
      const r = await payments.card(req.body.card, req.body.cvc, req.body.exp, total);
      if (r.status == 'ok') {
        paid = true;
        paymentRef = r.id;
      } else if (r.status == 'pending') {
        await new Promise((x) => setTimeout(x, 3000));
        const r2 = await payments.check(r.id);
        if (r2.status == 'ok') {
          paid = true;
          paymentRef = r2.id;
        }
      }
    } catch (e) {
      messages.push('Payment problem');
    }
  } else if (req.body.payment == 'invoice') {
    if (user.level != 'guest') {
      if (total < 500) {
        paid = true;
        paymentRef = 'INV' + orderNumber;
      } else {
        messages.push('Too expensive for invoice');
      }
    } else {
      messages.push('No invoice for guests');
    }
  } else if (req.body.payment == 'voucher') {
    let v = await db.query("select * from vouchers where code = '" + req.body.voucher + "'");
    if (v.length > 0 && v[0].amount >= total) {
      await db.query('update vouchers set amount = amount - ' + total + ' where id = ' + v[0].id);
      paid = true;
      paymentRef = 'V' + v[0].id;
    }
  }
  if (!paid) {
    res.status(402).send('<h1>Not paid</h1><p>' + messages.join('<br>') + '</p><a href="/cart">back</a>');
    return;
  }
  await db.query("insert into orders (nr, user_id, total, ref) values ('" + orderNumber + "', " + user.id + ', ' + total + ", '" + paymentRef + "')");
  for (let i = 0; i < cart.items.length; i++) {
    await db.query("insert into order_items values ('" + orderNumber + "', " + cart.items[i].product_id + ', ' + cart.items[i].quantity + ')');
    await db.query('update products set stock = stock - ' + cart.items[i].quantity + ' where id = ' + cart.items[i].product_id);
  }
  let html = '<html><body><h1>Thank you ' + user.name + '</h1><table>';
  for (let i = 0; i < cart.items.length; i++) {
    html += '<tr><td>' + cart.items[i].name + '</td><td>' + cart.items[i].quantity + '</td><td>' + cart.items[i].price.toFixed(2) + '</td></tr>';
  }
  html += '</table><p>Subtotal ' + subtotal.toFixed(2) + '</p><p>Discount ' + discount.toFixed(2) + '</p>';
  html += '<p>Tax ' + tax.toFixed(2) + '</p><p>Shipping ' + shipping.toFixed(2) + '</p><p>Total ' + total.toFixed(2) + '</p>';
  if (messages.length > 0) {
    html += '<p>' + messages.join('<br>') + '</p>';
  }
  html += '</body></html>';
  try {
    await mailer.send(user.email, 'Order ' + orderNumber, html);
  } catch (e) {
  }
  req.session.cart = null;
  res.send(html);
}

module.exports = handleCheckout;
