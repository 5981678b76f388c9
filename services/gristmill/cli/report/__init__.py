"""`gristmill report`: what a directory holds, as one page that opens without a network.

`contents` reads the tables into plain values, a module a section; `page` writes them down. What a
document brought along is text: it is escaped, and what would steer a reader's eye is made visible.
"""
