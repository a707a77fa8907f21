# An ending task looks whether the body is live before it has the shard's lock: the spares may be collected in between.
s/bool admitted, zero, won, dies;/bool admitted, zero, won, dies, seen;/
s/^     LOCK(shard);$/     seen = body_live; LOCK(shard);/
s/^     last_spares(shard);$/     if :: members[shard] == 0 \&\& !seen -> left = left + spare[shard]; spare[shard] = 0 :: else -> skip fi;/
