# A waiter does not set the bit that sends the holder to the list.
s/:: held -> waiters = true; mine = false; VALID/:: held -> mine = false; VALID/
