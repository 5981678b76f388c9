"""Order processing."""

import csv
import json
import os
import smtplib
import sqlite3
from datetime import datetime, timedelta
from email.message import EmailMessage


def process_orders(input_dir, db_path, report_path, send_mail=True, retry=False, verbose=False, mode="normal"):
    """Process the orders in the input directory."""
    conn = sqlite3.connect(db_path)
    cur = conn.cursor()
    cur.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT, customer TEXT, email TEXT, total REAL, status TEXT, created TEXT, country TEXT)")
    cur.execute("CREATE TABLE IF NOT EXISTS stock (sku TEXT, qty INTEGER)")
    conn.commit()
    processed = 0
    failed = 0
    skipped = 0
    grand_total = 0
    emails_sent = 0
    by_country = {}
    errors = []
    low_stock = []
    for filename in os.listdir(input_dir):
        if filename.endswith(".csv") or filename.endswith(".json"):
            full = input_dir + "/" + filename
            orders = []
            if filename.endswith(".csv"):
                f = open(full)
                reader = csv.DictReader(f)
                for row in reader:
                    if row["id"] != "":
                        found = False
                        for o in orders:
                            if o["id"] == row["id"]:
                                found = True
                                o["items"].append({"sku": row["sku"], "qty": int(row["qty"]), "price": float(row["price"])})
                        if not found:
                            orders.append({
                                "id": row["id"],
                                "customer": row["customer"],
                                "email": row["email"],
                                "country": row["country"],
                                "coupon": row.get("coupon", ""),
                                "date": row["date"],
                                "items": [{"sku": row["sku"], "qty": int(row["qty"]), "price": float(row["price"])}],
                            })
                f.close()
            else:
                try:
                    f = open(full)
                    data = json.load(f)
                    f.close()
                    if type(data) == dict:
                        orders = data["orders"]
                    else:
                        orders = data
                except Exception as e:
                    errors.append(filename + ": " + str(e))
                    failed = failed + 1
                    continue
            for order in orders:
                if mode == "normal" or mode == "test":
                    cur.execute("SELECT * FROM orders WHERE id = '" + order["id"] + "'")
                    existing = cur.fetchone()
                    if existing != None:
                        if retry == True:
                            if existing[4] == "failed":
                                cur.execute("DELETE FROM orders WHERE id = '" + order["id"] + "'")
                                conn.commit()
                            else:
                                skipped = skipped + 1
                                continue
                        else:
                            skipped = skipped + 1
                            continue
                    total = 0
                    weight = 0
                    ok = True
                    for item in order["items"]:
                        if item["qty"] <= 0:
                            ok = False
                            errors.append("order " + order["id"] + " bad qty")
                        else:
                            cur.execute("SELECT qty FROM stock WHERE sku = '" + item["sku"] + "'")
                            s = cur.fetchone()
                            if s == None:
                                ok = False
                                errors.append("order " + order["id"] + " unknown sku " + item["sku"])
                            else:
                                if s[0] < item["qty"]:
                                    if mode == "test":
                                        pass
                                    else:
                                        ok = False
                                        errors.append("order " + order["id"] + " not enough stock for " + item["sku"])
                                else:
                                    if s[0] - item["qty"] < 5:
                                        if item["sku"] not in low_stock:
                                            low_stock.append(item["sku"])
                        total = total + item["qty"] * item["price"]
                        weight = weight + item["qty"] * 0.4
                    if order.get("coupon"):
                        if order["coupon"] == "SPRING10":
                            total = total * 0.9
                        elif order["coupon"] == "SPRING20":
                            if total > 100:
                                total = total * 0.8
                        elif order["coupon"] == "FREESHIP":
                            weight = 0
                        elif order["coupon"][0:3] == "VIP":
                            total = total - 15
                            if total < 0:
                                total = 0
                        else:
                            errors.append("order " + order["id"] + " strange coupon")
                    if order["country"] == "DE":
                        tax = total * 0.19
                        if weight > 0:
                            if weight < 2:
                                total = total + 4.9
                            elif weight < 10:
                                total = total + 7.9
                            else:
                                total = total + 14.9
                    elif order["country"] == "FR":
                        tax = total * 0.2
                        if weight > 0:
                            if weight < 2:
                                total = total + 6.9
                            else:
                                total = total + 12.9
                    elif order["country"] == "CH":
                        tax = 0
                        if weight > 0:
                            total = total + 19.9
                    else:
                        tax = total * 0.21
                        if weight > 0:
                            total = total + 24.9
                    total = total + tax
                    if datetime.strptime(order["date"], "%Y-%m-%d") < datetime.now() - timedelta(days=90):
                        ok = False
                        errors.append("order " + order["id"] + " too old")
                    if ok:
                        status = "done"
                        for item in order["items"]:
                            cur.execute("UPDATE stock SET qty = qty - " + str(item["qty"]) + " WHERE sku = '" + item["sku"] + "'")
                        processed = processed + 1
                        grand_total = grand_total + total
                        if order["country"] in by_country:
                            by_country[order["country"]] = by_country[order["country"]] + total
                        else:
                            by_country[order["country"]] = total
                    else:
                        status = "failed"
                        failed = failed + 1
                    cur.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)", (order["id"], order["customer"], order["email"], total, status, order["date"], order["country"]))
                    conn.commit()
                    if send_mail and mode != "test":
                        msg = EmailMessage()
                        msg["From"] = "shop@shop.example"
                        msg["To"] = order["email"]
                        if ok:
                            msg["Subject"] = "Your order " + order["id"]
                            text = "Dear " + order["customer"] + ",\n\nthank you for your order.\n\n"
                            for item in order["items"]:
                                text = text + str(item["qty"]) + " x " + item["sku"] + " " + str(item["price"]) + "\n"
                            text = text + "\nTotal: " + str(round(total, 2)) + "\n"
                            msg.set_content(text)
                        else:
                            msg["Subject"] = "Problem with your order " + order["id"]
                            msg.set_content("Dear " + order["customer"] + ",\n\nwe could not process your order.\n")
                        try:
                            server = smtplib.SMTP("localhost", 25)
                            server.send_message(msg)
                            server.quit()
                            emails_sent = emails_sent + 1
                        except:
                            errors.append("mail failed for " + order["id"])
            if mode != "test":
                if os.path.exists(input_dir + "/done") == False:
                    os.mkdir(input_dir + "/done")
                os.rename(full, input_dir + "/done/" + filename)
        else:
            if verbose:
                print("ignoring " + filename)
    out = open(report_path, "w")
    out.write("<html><body><h1>Report " + str(datetime.now()) + "</h1>")
    out.write("<p>processed: " + str(processed) + "</p><p>failed: " + str(failed) + "</p><p>skipped: " + str(skipped) + "</p>")
    out.write("<table>")
    for c in by_country:
        out.write("<tr><td>" + c + "</td><td>" + str(round(by_country[c], 2)) + "</td></tr>")
    out.write("</table><ul>")
    for e in errors:
        out.write("<li>" + e + "</li>")
    out.write("</ul>")
    if len(low_stock) > 0:
        out.write("<p>low stock: " + ", ".join(low_stock) + "</p>")
    out.write("</body></html>")
    out.close()
    conn.close()
    return [processed, failed, skipped, grand_total, emails_sent, errors]
