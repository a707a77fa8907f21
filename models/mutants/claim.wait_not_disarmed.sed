# A wait that was over before it began is left pending.
s/:: else -> atomic { armed = false; claimed = false; by_request = false } fi; .*disarm.*$/:: else -> skip fi;/
