# A wait that was over before it began is left pending.
s/atomic { armed = false; claimed = false; by_request = false }; .*disarm.*$//
