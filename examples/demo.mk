# Targets demo, demo-stop and demo-chat; included by the Makefile at the top, after
# test/test.mk, which says how to get packages.

.PHONY: demo demo-stop demo-chat demo-build

demo: demo-build $(DEMO_MODULES)
	@PG_CONFIG='$(PG_CONFIG)' examples/demo/demo start

demo-chat: demo-build $(CHAT_MODULES)
	@PG_CONFIG='$(PG_CONFIG)' examples/live-chat/live-chat

demo-stop:
	@PG_CONFIG='$(PG_CONFIG)' examples/demo/demo stop

# Quiet unless something is wrong: the demo is for people who look around.
demo-build: test-packages
	@mkdir -p .demo
	@echo 'Building realtime ...'
	@$(MAKE) all >.demo/build.log 2>&1 || { tail -n 20 .demo/build.log >&2; \
		echo 'demo: the build failed; all of its output is in .demo/build.log' >&2; exit 1; }
	@$(MAKE) --no-print-directory installed
