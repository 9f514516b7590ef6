"""Facts about segments and classes in the order of their events, and the values that follow from them."""
