# A mask's expiry clears the mask without looking for the request that waited behind it.
s/need = cancelled }/need = false }/
