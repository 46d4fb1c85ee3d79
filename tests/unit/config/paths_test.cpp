// SPDX-License-Identifier: MIT
#include "etc.h"

using namespace xk;
using namespace xk::config;
using test::Etc;
using test::has;

TEST_CASE("where the paths are is made out in a file that is no good") {
    const Etc etc;
    const auto guess = [&](const std::string& text) {
        etc.write("xknock.yaml", text, 0666);
        const config::Paths paths = config::guess_paths((etc.path / "xknock.yaml").string());
        return paths.run + " " + paths.state + " " + paths.bpf;
    };
    const std::string standard = "/run/xknock /var/lib/xknock /sys/fs/bpf/xknock";
    CHECK(config::guess_paths((etc.path / "none.yaml").string()).state == "/var/lib/xknock");
    CHECK(guess("services: {ssh: [tcp/22\n") == standard);
    CHECK(guess("ssh: [\npaths: {run: /a/run, state: \"/a/state\", bpf: /a/bpf}\n") == "/a/run /a/state /a/bpf");
    CHECK(guess("paths:\n  state: '/b'\n  run: /c # not: /d\n\t[") == "/c /b /sys/fs/bpf/xknock");
    CHECK(guess("# paths: {run: /a, state: /b}\nstate: relative\nunstate: /x\nstate:\n") == standard);
}

TEST_CASE("a path is absolute") {
    const Etc etc;
    CHECK(has(etc.bad_added("paths: {run: relative}\n"), "\"relative\" is not an absolute path"));
}
