"""The web page of `erkd demo`: a server without a memory, and a page that keeps everything in the browser."""
