# The completer claims after it has let go of the primitive's lock: the waiter may have left with its node.
s/linked = false; grant(e, won);/linked = false; UNLOCK; grant(e, won);/
s/given = true; UNLOCK;/given = true;/
s/:: else -> held++; UNLOCK                       /:: else -> LOCK; held++; UNLOCK                 /
