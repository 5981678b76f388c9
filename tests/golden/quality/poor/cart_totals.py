def calc_totals(cart, user):
    print("calc_totals called")
    print("cart:", cart)
    print("user:", user)
    total = 0
    items = cart["items"]
    print("number of items:", len(items))
    for i in range(len(items)):
        print("i =", i)
        item = items[i]
        print("item =", item)
        p = item["price"]
        print("price", p, type(p))
        q = item["qty"]
        print("qty", q, type(q))
        if q < 0:
            print("!!!!! NEGATIVE QTY !!!!!")
            q = 0
        line = p * q
        print("line =", line)
        if item.get("sale"):
            print("sale item")
            line = line * 0.8
            print("after sale", line)
        total += line
        print("total so far", total)
    print("loop done")
    print("total before discount:", total)
    if user is not None:
        print("user is not none")
        if "level" in user:
            print("level", user["level"])
            if user["level"] == 1:
                print("level 1")
                total = total * 0.95
            elif user["level"] == 2:
                print("level 2")
                total = total * 0.9
            else:
                print("other level???", user["level"])
        else:
            print("no level in user")
            print(user.keys())
    else:
        print("user is none")
    print("after discount", total)
    tax = total * 0.19
    print("tax", tax)
    total = total + tax
    print("total with tax", total)
    total = round(total, 2)
    print("rounded", total)
    print("=" * 40)
    return total


def merge_carts(a, b):
    print("merging")
    print("a", a)
    print("b", b)
    for x in b["items"]:
        print("x", x)
        found = 0
        for y in a["items"]:
            print("  y", y)
            if x["sku"] == y["sku"]:
                print("  same sku")
                y["qty"] += x["qty"]
                print("  new qty", y["qty"])
                found = 1
        print("found =", found)
        if found == 0:
            print("adding")
            a["items"].append(x)
    print("merged", a)
    print("test 123")
    return a


def remove_item(cart, sku):
    print("remove", sku)
    print("before", len(cart["items"]))
    new = []
    for it in cart["items"]:
        print("checking", it["sku"])
        if it["sku"] != sku:
            print("keep")
            new.append(it)
        else:
            print("drop")
    cart["items"] = new
    print("after", len(cart["items"]))
    print("aaaaaa")
    return cart


c = {"items": [{"sku": "A", "price": 10.0, "qty": 2}, {"sku": "B", "price": 4.5, "qty": 1, "sale": True}]}
print("TEST")
print(calc_totals(c, {"level": 1}))
print(calc_totals(c, None))
print(remove_item(merge_carts(c, c), "A"))
print("END TEST")
