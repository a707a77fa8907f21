# A waiter does not set the bit that sends the holder to the list.
s/held = true; waiters = true; won = true$/held = true; won = true/
