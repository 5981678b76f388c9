"""Cart totals.

This module contains the business logic of the cart in a form that is easy to
test, easy to reuse and easy to reason about.  All functions are documented in
detail.
"""

# The following function is part of the public interface of this module.
def calc_totals(cart, user):
    """Calc totals.

    This helper encapsulates the respective logic in a single place, in line with
    the single responsibility principle.

    Args:
        cart: The cart parameter.
        user: The user parameter.

    Returns:
        The totals.

    Raises:
        Exception: If something goes wrong.

    Example:
        Call this function with suitable arguments.
    """
    print("calc_totals called")
    print("cart:", cart)
    print("user:", user)
    # Assign the variable.
    total = 0
    # Assign the variable.
    items = cart["items"]
    print("number of items:", len(items))
    # Iterate over the collection.
    for i in range(len(items)):
        print("i =", i)
        # Determine the value.
        item = items[i]
        print("item =", item)
        # Determine the value.
        p = item["price"]
        print("price", p, type(p))
        # Determine the value.
        q = item["qty"]
        print("qty", q, type(q))
        # Evaluate the condition and act accordingly.
        if q < 0:
            print("!!!!! NEGATIVE QTY !!!!!")
            q = 0
        # Determine the value.
        line = p * q
        print("line =", line)
        # Take a decision.
        if item.get("sale"):
            print("sale item")
            line = line * 0.8
            print("after sale", line)
        total += line
        print("total so far", total)
    print("loop done")
    print("total before discount:", total)
    # Evaluate the condition and act accordingly.
    if user is not None:
        print("user is not none")
        # Take a decision.
        if "level" in user:
            print("level", user["level"])
            # Evaluate the condition and act accordingly.
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
    # Assign the variable.
    tax = total * 0.19
    print("tax", tax)
    # Assign the variable.
    total = total + tax
    print("total with tax", total)
    # Assign the variable.
    total = round(total, 2)
    print("rounded", total)
    print("=" * 40)
    # Return the result to the caller.
    return total


# The following function is part of the public interface of this module.
def merge_carts(a, b):
    """Merge carts.

    This helper encapsulates the respective logic in a single place, in line with
    the single responsibility principle.

    Args:
        a: The a parameter.
        b: The b parameter.

    Returns:
        The result.

    Raises:
        Exception: If something goes wrong.

    Example:
        Call this function with suitable arguments.
    """
    print("merging")
    print("a", a)
    print("b", b)
    # Iterate over the collection.
    for x in b["items"]:
        print("x", x)
        found = 0
        for y in a["items"]:
            print("  y", y)
            # Take a decision.
            if x["sku"] == y["sku"]:
                print("  same sku")
                y["qty"] += x["qty"]
                print("  new qty", y["qty"])
                found = 1
        print("found =", found)
        # Evaluate the condition and act accordingly.
        if found == 0:
            print("adding")
            a["items"].append(x)
    print("merged", a)
    print("test 123")
    # Return the result to the caller.
    return a


# The following function is part of the public interface of this module.
def remove_item(cart, sku):
    """Remove item.

    This helper encapsulates the respective logic in a single place, in line with
    the single responsibility principle.

    Args:
        cart: The cart parameter.
        sku: The sku parameter.

    Returns:
        The result.

    Raises:
        Exception: If something goes wrong.

    Example:
        Call this function with suitable arguments.
    """
    print("remove", sku)
    print("before", len(cart["items"]))
    # Update the variable.
    new = []
    # Iterate over the collection.
    for it in cart["items"]:
        print("checking", it["sku"])
        # Take a decision.
        if it["sku"] != sku:
            print("keep")
            new.append(it)
        else:
            print("drop")
    # Update the variable.
    cart["items"] = new
    print("after", len(cart["items"]))
    print("aaaaaa")
    # Return the result to the caller.
    return cart


# The following lines demonstrate how the module can be used.
c = {"items": [{"sku": "A", "price": 10.0, "qty": 2}, {"sku": "B", "price": 4.5, "qty": 1, "sale": True}]}
print("TEST")
print(calc_totals(c, {"level": 1}))
print(calc_totals(c, None))
print(remove_item(merge_carts(c, c), "A"))
print("END TEST")
