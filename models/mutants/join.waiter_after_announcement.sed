# The waiter is written after the announcement: a completer that has seen the announcement need not see the waiter.
s/^  waiter = WAITER(who, epoch\[who\] + 1);$//
s/^  if :: refused -> goto result :: else -> skip fi;$/&  waiter = WAITER(who, epoch[who] + 1);/
