# A wait is prepared without looking at the cancel bit, so a request that came before it is missed.
s/if :: cancelled && !masked -> refused = true$/if :: false -> refused = true/
