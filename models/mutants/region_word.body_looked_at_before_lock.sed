# An ending task looks whether the body is live before it has the shard's lock: the spares may be collected in between.
s/^     LOCK(shard);$/     spared = body_live; LOCK(shard);/
s/spared = body_live && spare/spared = spared \&\& spare/
