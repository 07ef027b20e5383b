# The explorer: one HTML file that shows walks and traces as pictures (docs/explorer.md).
#
#   make build/explorer.html     put it together
#   make test-explorer           its logic in node, its page in headless Chromium; what it looks
#                                like is left in build/explorer/
#
# Its libraries are npm's, pinned by package-lock.json, and lie in the cache by that file's sum, so
# that each state of the tree finds those that it names.

EXPLORER := tools/explorer
EXPLORER_SUM := $(firstword $(shell sha256sum $(EXPLORER)/package-lock.json | cut -c1-12))
EXPLORER_LIBRARIES := $(CACHE)/explorer-$(EXPLORER_SUM)/node_modules

# No prerequisites, as the other downloads.
$(EXPLORER_LIBRARIES)/.package-lock.json:
	@tools/setup explorer

build/explorer/main.js: $(wildcard $(EXPLORER)/*.js) $(EXPLORER_LIBRARIES)/.package-lock.json
	@mkdir -p $(@D)
	@NODE_PATH=$(EXPLORER_LIBRARIES) $(EXPLORER_LIBRARIES)/.bin/esbuild $(EXPLORER)/main.js \
		--bundle --minify --format=iife --target=es2020 --log-level=warning --outfile=$@

build/explorer.html: build/explorer/main.js $(EXPLORER)/index.html $(EXPLORER)/style.css \
		$(EXPLORER)/inline
	@echo "  HTML   $@"
	@$(EXPLORER)/inline $(EXPLORER)/index.html $(EXPLORER)/style.css $< $@

.PHONY: setup-explorer test-explorer test-explorer-built
setup-explorer:
	@tools/setup explorer explorer-test

test-explorer: setup-explorer setup-test
	@$(MAKE) --no-print-directory test-explorer-built test-explore

test-explorer-built: build/explorer.html
	@timeout 300 node tests/explorer/run.mjs build/explorer.html $(EXPLORER_LIBRARIES) \
		build/explorer
