// SPDX-License-Identifier: MIT
#include "etc.h"

using namespace xk;
using namespace xk::config;
using namespace std::chrono_literals;
using test::Etc;
using test::has;

TEST_CASE("hooks are argument lists of their services, and run as a user who is nobody else") {
    const Etc etc;
    const auto main = [&](const std::string& hooks, const std::string& more) {
        etc.write("xknock.yaml",
                  "interfaces: [eth0]\nservices:\n  web: {ports: [tcp/80, tcp/443]}\n  ssh: {ports: tcp/22, " + hooks +
                      "}\nprocess: {user: 62001, worker_user: 62002}\n" + more);
    };
    main("on_open: [/bin/a, b c, '$d', ''], on_close: /bin/e", "hooks: {user: 62003, time_limit: 90s}\n");
    const Config c = etc.good();
    REQUIRE(c.hooks.services.size() == 2);
    CHECK(c.hooks.any());
    CHECK(c.hooks.services[0].on_open.empty());
    CHECK(c.hooks.services[1].on_open == std::vector<std::string>{"/bin/a", "b c", "$d", ""});
    CHECK(c.hooks.services[1].on_close == std::vector<std::string>{"/bin/e"});
    CHECK(c.hooks.account.uid == 62003);
    CHECK(c.hooks.time_limit == 90s);

    main("after: keep", "");
    const Config none = etc.good();
    CHECK_FALSE(none.hooks.any());
    CHECK(none.hooks.time_limit == 10s);
    main("on_open: /bin/a", "");
    CHECK(etc.good().hooks.account.name == "nobody");

    const std::string user = "hooks: {user: 62003}\n";
    const auto bad = [&](const std::string& hooks, const std::string& more) {
        main(hooks, more);
        return etc.bad();
    };
    CHECK(has(bad("on_open: []", user), "xknock.yaml:4:24: \"on_open\" names no program"));
    CHECK(has(bad("on_open: bin/a", user), "\"bin/a\" is not an absolute path"));
    CHECK(has(bad("on_close: ['', /bin/a]", user), "\"\" is not an absolute path"));
    CHECK(has(bad("on_open: [/bin/a, \"x\\0y\"]", user), "an argument cannot hold a zero byte"));
    const std::string fifteen = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15";
    CHECK(has(bad("on_open: [/bin/a, " + fifteen + ", 16]", user), "a hook has at most 16 arguments of 1024 bytes"));
    main("on_open: [/bin/a, " + fifteen + "]", user);
    CHECK(etc.good().hooks.services[1].on_open.size() == 16);
    CHECK(has(bad("on_open: [/bin/a, " + std::string(1017, 'x') + "]", user), "a hook has at most 16 arguments"));
    main("on_open: [/bin/a, " + std::string(1016, 'x') + "]", user);
    CHECK(etc.good().hooks.any());
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: 0}\n"), "the hooks' user \"0\" is root, or of root's group"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: 62001}\n"), "must be another than process.user"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: 62002}\n"), "must be another than process.user"));
    CHECK(has(bad("on_open: /bin/a", user + "control: {admin_group: 62003}\n"), "has the group control.admin_group"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: no-such-user}\n"), "there is no user \"no-such-user\""));
    CHECK(has(bad("on_open: /bin/a", "hooks: {time_limit: 6m}\n"), "time_limit must be from 1s to 5m"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {time_limit: 0s}\n"), "time_limit must be from 1s to 5m"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {limit: 1s}\n"), "unknown key \"limit\""));
}
