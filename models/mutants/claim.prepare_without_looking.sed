# A wait is prepared without looking at the cancel bit, so a request that came before it is missed.
s/:: !announces \&\& cancelled \&\& !masked -> refused = true$/:: false -> refused = true/
