.PHONY: demo test

# The server with 200 simulated chargers, on http://127.0.0.1:8080
demo:
	cargo run --release -- demo

# Everything that must hold; installs what it needs on Debian
test:
	scripts/test
