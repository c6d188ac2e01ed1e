"""Many pages, safely, on one machine or a hundred."""
