# The body's end collects the spares without the shards' locks.
s/LOCK(\([01]\)); count = count + spare\[.\]; spare\[.\] = 0; UNLOCK(.);/count = count + spare[\1]; spare[\1] = 0;/
