"""Tables, pages and figures made of scores."""
