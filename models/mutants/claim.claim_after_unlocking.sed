# The completer claims after it has let go of the primitive's lock: the waiter may have left with its node.
s/linked = false; claim(e, won, false);/linked = false; UNLOCK; claim(e, won, false);/
s/given = true; UNLOCK;/given = true;/
s/:: else -> held++; UNLOCK                       /:: else -> LOCK; held++; UNLOCK                 /
