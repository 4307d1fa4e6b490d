# Pagoda. `make run` and `make test` install what is missing; `make help` lists the rest.
CC      ?= gcc
CFLAGS  ?= -O2 -g -flto=auto -ffat-lto-objects
LISTEN  ?= 127.0.0.1:8080
STORE   ?= var/pagoda.db
PREFIX  ?= /usr/local
DESTDIR ?=
TRUTH   ?= $(if $(wildcard ../shared/truth),../shared/truth,tests/truth/sample)
BUILD   := build

VERSION := 0.1.0
LIBS    := libmicrohttpd jansson sqlite3 zlib libzstd
WARN    := -Wall -Wextra -Wconversion -Wshadow -Werror
OURS     = -std=c17 -D_GNU_SOURCE= $(WARN) -Iinclude -I. -MMD -MP -DPAGODA_VERSION='"$(VERSION)"' \
           $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
LINK     = $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lpthread
SANITIZE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
THREADS  := -O1 -g -fsanitize=thread -fno-omit-frame-pointer

ENGINE  := $(wildcard alloc/*/*.c)
SERVER  := $(wildcard server/*/*.c server/store/sqlite/*.c)
TEST_SOURCES := $(wildcard tests/unit/*/test_*.c tests/store/test_*.c)
TESTS   := $(notdir $(TEST_SOURCES:.c=))
SUPPORT := tests/lib/fixture.c
# The replay of malloc recordings has a process of its own (tests/truth/process_stub.c), so it is linked apart from the engine's.
HEAP_TRUTH := tests/truth/truth_malloc.c tests/truth/process_stub.c $(wildcard alloc/malloc/*.c)
TRUTHS  := $(filter-out $(HEAP_TRUTH),$(wildcard tests/truth/truth*.c))
# Programs that bench.mjs runs.
BENCH_CLIENTS := bench_http bench_import bench_sqlite
WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' 2>/dev/null)

# One set of objects per flavour: plain, sanitized (san), thread-sanitized (tsan), clang.
objects  = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

all: $(BUILD)/pagodad $(BUILD)/web/.built ## build the daemon and the pages (the default)

$(BUILD)/plain/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OURS) $(CFLAGS) -c $< -o $@
$(BUILD)/san/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OURS) $(SANITIZE) -c $< -o $@
$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OURS) $(THREADS) -c $< -o $@
$(BUILD)/clang/%.o: %.c
	@mkdir -p $(@D)
	clang $(OURS) -O1 -c $< -o $@

# Texts that are built in with .incbin, which -MMD does not see.
$(foreach flavour,plain san tsan clang,$(BUILD)/$(flavour)/server/store/sqlite/store.o): data/schema.sql data/migrate-2.sql data/migrate-3.sql
$(foreach flavour,plain san tsan clang,$(BUILD)/$(flavour)/server/api/api_labs.o): data/openapi.json
# Images of machines carry the identity of the engine that made them: its whole source.
ENGINE_SOURCES := $(sort $(wildcard alloc/*/*.[ch] include/pagoda/*.h))
IMAGE_OBJECTS := $(foreach flavour,plain san tsan clang,$(BUILD)/$(flavour)/alloc/machine/machine_image.o)
$(IMAGE_OBJECTS): $(ENGINE_SOURCES)
$(IMAGE_OBJECTS): OURS += -DPAGODA_ENGINE_ID=$(firstword $(shell cat $(ENGINE_SOURCES) | cksum))u

$(BUILD)/pagodad: $(call objects,plain,$(ENGINE) $(SERVER))
	$(CC) $(CFLAGS) $^ $(LINK) -o $@
$(BUILD)/pagodad-san: $(call objects,san,$(ENGINE) $(SERVER))
	$(CC) $(SANITIZE) $^ $(LINK) -o $@
$(BUILD)/pagodad-tsan: $(call objects,tsan,$(ENGINE) $(SERVER))
	$(CC) $(THREADS) $^ $(LINK) -o $@

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --silent
	@touch $@
$(BUILD)/web/.built: $(WEB_SOURCES) web/node_modules/.package-lock.json
	cd web && node build.mjs $(abspath $(BUILD)/web)
	@touch $@

deps: ## install what is missing (Debian packages as root)
	@sh tools/install.sh
run: deps ## build and serve http://127.0.0.1:8080 (LISTEN=, STORE=)
	@$(MAKE) --no-print-directory all
	@mkdir -p $(dir $(STORE))
	$(BUILD)/pagodad serve --listen $(LISTEN) --store $(STORE) --web $(BUILD)/web

test: ## install what is missing, build, run every test
	@PAGODA_TEST_DEPS=1 sh tools/install.sh
	@$(MAKE) --no-print-directory -j2 all compile-clang test-c truth check
	@$(MAKE) --no-print-directory test-api test-tsan test-browser
	@echo 'all tests passed'

# --- C tests: each file one program, under ASan and UBSan; those of the store and of labs stand on the server too ---
STORE_SUPPORT := tests/store/store_fixture.c tests/store/faulty_disk.c $(filter-out server/cmd/main.c,$(SERVER))
define test_program
$(BUILD)/san/$(notdir $(1:.c=)): $(BUILD)/san/$(1:.c=.o) $(call objects,san,$(ENGINE) $(SUPPORT) $(if $(filter tests/store/%,$(1)),$(STORE_SUPPORT)))
	$$(CC) $$(SANITIZE) $$^ -lcmocka $$(LINK) -o $$@
endef
$(foreach test,$(TEST_SOURCES),$(eval $(call test_program,$(test))))
test-programs: $(addprefix $(BUILD)/san/,$(TESTS))
test-c: $(addprefix $(BUILD)/san/,$(TESTS)) ## unit and property tests (SEED= repeats a run)
	@set -e; for t in $(TESTS); do echo "== $$t"; $(BUILD)/san/$$t; done

$(BUILD)/%/heap_truth.o: $(addprefix $(BUILD)/%/,$(HEAP_TRUTH:.c=.o))
	$(LD) -r $^ -o $@
	objcopy --keep-global-symbol=truth_ops --keep-global-symbol=truth_rep --keep-global-symbol=truth_tunables $@
$(BUILD)/truth: $(call objects,san,$(ENGINE) $(SUPPORT) $(TRUTHS)) $(BUILD)/san/heap_truth.o
	$(CC) $(SANITIZE) $^ $(LINK) -o $@
truth: $(BUILD)/truth ## compare the engine with recordings of the real ones (TRUTH=DIR)
	$(BUILD)/truth $(TRUTH)

test-api: $(BUILD)/pagodad-san $(BUILD)/pagodad ## the HTTP API, against the real daemon
	PAGODAD=$(abspath $(BUILD))/pagodad-san node --test tests/api/*.test.mjs
test-crash: $(BUILD)/pagodad ## kill -9 200 times under load, 60 times in imports (KILLS=)
	PAGODAD=$(abspath $(BUILD))/pagodad KILLS=$(or $(KILLS),200) node --test tests/api/crash.test.mjs
	PAGODAD=$(abspath $(BUILD))/pagodad KILLS=$(or $(KILLS),60) node --test --test-name-pattern=kill tests/api/import_atomic.test.mjs
test-tsan: $(BUILD)/pagodad-tsan ## the daemon's threads, under TSan
	PAGODAD=$(abspath $(BUILD))/pagodad-tsan TSAN_OPTIONS=halt_on_error=1 \
	  node --test tests/api/labs.test.mjs tests/api/durability.test.mjs
test-web: web/node_modules/.package-lock.json ## the pages' view-models, types
	cd web && npx tsc --noEmit -p .
	node --test tests/web/*.test.mjs
test-browser: all test-web ## the pages, in headless Chromium
	PAGODAD=$(abspath $(BUILD))/pagodad WEB=$(abspath $(BUILD))/web node --test tests/browser/*.test.mjs

compile-clang: $(call objects,clang,$(ENGINE) $(SERVER)) ## build everything with clang, too

# --- rules of the house ---
check: check-pure check-tower
check-pure: $(call objects,plain,$(ENGINE)) ## the engine imports mem*, str* and assert, nothing else
	@nm -u $^ | awk '/ U /{print $$2}' | sort -u > $(BUILD)/imports
	@nm --defined-only $^ | awk 'NF==3{print $$3}' | sort -u > $(BUILD)/exports
	@bad=$$(comm -23 $(BUILD)/imports $(BUILD)/exports | grep -vE '^(mem|str)[a-z]+$$|^__assert_fail$$|^__stack_chk_fail$$|^_GLOBAL_OFFSET_TABLE_$$' || true); \
	 [ -z "$$bad" ] || { echo "alloc/ imports: $$bad"; exit 1; }
check-tower: $(call objects,plain,$(ENGINE) $(SERVER)) ## a floor includes and calls only floors below it
	@sh tools/check-tower.sh $(BUILD)/plain

bench: $(BUILD)/bench $(BUILD)/pagodad $(BUILD)/pagodad-memory $(addprefix $(BUILD)/,$(BENCH_CLIENTS)) ## speed, one line each to compare
	@TRUTH=$(TRUTH) $(BUILD)/bench
	@node tests/bench/bench.mjs $(BUILD) $(TRUTH)
$(BUILD)/bench: $(call objects,plain,$(ENGINE) server/base/input.c server/import/ops_line.c tests/lib/fixture.c $(filter-out $(BENCH_CLIENTS:%=tests/bench/%.c),$(wildcard tests/bench/bench*.c)))
	$(CC) $(CFLAGS) $^ $(LINK) -o $@
bench-history: $(BUILD)/pagodad ## time travel in a lab of 10 million operations (OPS=)
	@node tests/bench/bench_history.mjs $(BUILD)/pagodad $(OPS)
bench-cost: $(BUILD)/host_cost ## what the steps of the cost model take on this host
	@$(BUILD)/host_cost
$(BUILD)/host_cost: $(call objects,plain,$(ENGINE) tools/host_cost.c)
	$(CC) $(CFLAGS) $^ $(LINK) -o $@
# The daemon with a store that remembers nothing: the rival of the real one.
$(BUILD)/pagodad-memory: $(call objects,plain,$(ENGINE) $(filter-out server/store/%,$(SERVER)) tests/bench/store_memory.c)
	$(CC) $(CFLAGS) $^ $(LINK) -o $@
$(addprefix $(BUILD)/,$(BENCH_CLIENTS)): $(BUILD)/bench_%: $(BUILD)/plain/tests/bench/bench_%.o $(BUILD)/plain/tests/lib/http_client.o
	$(CC) $^ $(LINK) -o $@

lint: web/node_modules/.package-lock.json ## clang-format, clang-tidy, cppcheck, prettier, tsc
	clang-format --dry-run --Werror $(ENGINE) $(SERVER) $(shell find tests tools -name "*.c")
	printf '%s\n' $(ENGINE) $(SERVER) | xargs -P $$(nproc) -n 4 sh -c \
	  'clang-tidy --quiet "$$@" -- -std=c17 -D_GNU_SOURCE= -Iinclude -I. -DPAGODA_VERSION=\"$(VERSION)\"' lint
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
	  --error-exitcode=1 -Iinclude -I. alloc server
	cd web && npm run --silent format:check
	cd web && npx tsc --noEmit -p .

install: all ## install to $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pagoda/web $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 $(BUILD)/pagodad $(DESTDIR)$(PREFIX)/bin/pagodad
	cp -R $(BUILD)/web/. $(DESTDIR)$(PREFIX)/share/pagoda/web/
	install -m 644 data/pagodad.8 $(DESTDIR)$(PREFIX)/share/man/man8/pagodad.8

clean: ## remove what was built (the store in var/ stays)
	rm -rf $(BUILD)
help: ## list targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n",$$1,$$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: all deps run test test-c truth test-api test-tsan test-web test-browser compile-clang check check-pure check-tower bench bench-cost lint install clean help
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
