"""What a network computes, what that costs on given hardware, and what its weights take to store."""
