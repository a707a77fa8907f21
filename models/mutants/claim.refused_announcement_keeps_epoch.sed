# A refused park leaves the epoch that it has given away: a grant still finds it.
s/:: else -> epoch++; armed = false; claimed = false; by_request = false$/:: else -> skip/
