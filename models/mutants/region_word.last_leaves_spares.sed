# Who leaves the list empty once the body is gone leaves the spares there, for which nobody comes any more.
s/^     last_spares(shard);$//
