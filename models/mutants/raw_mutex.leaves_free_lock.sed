# A waiter that finds the lock free after all, and nobody called, does not take it and hand it over.
s/:: !held \&\& called -> mine = false/:: !held -> mine = false/
