# A stale scope is admitted into the next life of the record.
s/admitted = (state == OPEN && gen == mine)/admitted = (state == OPEN)/
