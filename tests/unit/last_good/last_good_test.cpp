// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/last_good.h"

#include "protocol/base/secure_file.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace xk;

namespace {

struct Directory {
    test::TemporaryDirectory itself;
    const std::string path = itself.path();
};

constexpr const char* kEverything = "xknock-ruleset 1\n"
                                    "owned\n"
                                    "closed\n"
                                    "silent udp/62201\n"
                                    "silent udp/5001\n"
                                    "allow 192.0.2.0/24\n"
                                    "allow 2001:db8::/32\n"
                                    "guard tcp/22 max=3\n"
                                    "guard udp/6000-6010\n"
                                    "guard udp/51820 cut\n"
                                    "guard tcp/22 at=198.51.100.7 at=2001:db8::7\n"
                                    "guard tcp/2222 to=198.51.100.7 port=22\n"
                                    "end\n";

bool is_read(const std::string& lines) { return parse_last_good("xknock-ruleset 1\n" + lines + "end\n").has_value(); }

} // namespace

TEST_CASE("a ruleset is read as it was written") {
    const auto spec = parse_last_good(kEverything);
    REQUIRE(spec.has_value());
    CHECK(last_good_text(*spec) == kEverything);
    CHECK(spec->owned);
    CHECK(spec->closed);
    CHECK(spec->silent_ports == std::vector<std::uint16_t>{62201, 5001});
    CHECK(spec->allow.size() == 2);
    REQUIRE(spec->protected_ports.size() == 5);
    CHECK(spec->protected_ports[0].max_connections == 3);
    CHECK(spec->protected_ports[2].cut);
    CHECK(spec->protected_ports[3].target6.text() == "2001:db8::7");
    CHECK(spec->protected_ports[4].to4.text() == "198.51.100.7");
    CHECK(spec->protected_ports[4].to_port == 22);
}

TEST_CASE("who owns the table and how a port is shut are two things") {
    const auto owned = parse_last_good("xknock-ruleset 1\nowned\nguard tcp/22\nend\n");
    REQUIRE(owned.has_value());
    CHECK(owned->owned);
    CHECK_FALSE(owned->closed);
    const auto closed = parse_last_good("xknock-ruleset 1\nclosed\nguard tcp/22\nend\n");
    REQUIRE(closed.has_value());
    CHECK(closed->closed);
    CHECK_FALSE(closed->owned);
}

TEST_CASE("what makes no sense is nothing, and never less than the whole") {
    for (std::size_t size = 0; size < std::string_view(kEverything).size(); ++size)
        CHECK_FALSE(parse_last_good(std::string_view(kEverything).substr(0, size)).has_value());
    CHECK_FALSE(parse_last_good(std::string(kEverything) + "guard tcp/23\n").has_value());
    CHECK_FALSE(parse_last_good("xknock-ruleset 2\nguard tcp/22\nend\n").has_value());
    CHECK(is_read("guard tcp/22\n"));
    for (const char* bad : {"",
                            "guard\n",
                            "guard tcp/0\n",
                            "guard tcp/22 at=\n",
                            "guard tcp/22 at=0.0.0.0\n",
                            "guard tcp/22 at=198.51.100.7 at=198.51.100.8\n",
                            "guard tcp/20-30 at=198.51.100.7\n",
                            "guard tcp/20-30 max=2\n",
                            "guard tcp/22 max=0\n",
                            "guard tcp/22 max=65536\n",
                            "guard tcp/22 port=22\n",
                            "guard tcp/22 to=198.51.100.7\n",
                            "guard tcp/22 at=198.51.100.7 to=198.51.100.7 port=22\n",
                            "guard tcp/22 cut cut\n",
                            "guard tcp/22 some\n",
                            "allow 0.0.0.0/0\nguard tcp/22\n",
                            "allow ::/0\nguard tcp/22\n",
                            "allow\nguard tcp/22\n",
                            "silent tcp/1\nguard tcp/22\n",
                            "owned yes\nguard tcp/22\n",
                            "closed yes\nguard tcp/22\n",
                            "owned  yes no\nguard tcp/22\n",
                            "silent udp/1 udp/2\nguard tcp/22\n",
                            "allow 192.0.2.0/24 198.51.100.0/24\nguard tcp/22\n",
                            "\nguard tcp/22\n"})
        CHECK_MESSAGE(!is_read(bad), bad);
}

TEST_CASE("the largest configuration that there may be is read back") {
    const Directory directory;
    nft::RulesetSpec spec;
    for (std::uint32_t i = 0; i < 256 * 17; ++i) { // services, their ports and published_ports
        nft::ProtectedPort guard;
        guard.ports = PortRange::of({IpProtocol::tcp, static_cast<std::uint16_t>(i + 10'000)});
        guard.target4 = Address::parse("203.0.113.207").value();
        guard.target6 = Address::parse("2001:db8:1111:2222:3333:4444:5555:6666").value();
        guard.max_connections = 65535;
        guard.cut = true;
        spec.protected_ports.push_back(guard);
    }
    for (int i = 0; i < 256; ++i)
        spec.allow.push_back(
            Prefix::parse("2001:db8:1111:2222:3333:4444:5555:" + std::to_string(1000 + i) + "/128").value());
    REQUIRE(write_last_good(directory.path, spec));
    const auto read = read_last_good(directory.path);
    REQUIRE(read.has_value());
    REQUIRE(read->has_value());
    CHECK(last_good_text(**read) == last_good_text(spec));
}

TEST_CASE("the file is written when it says something else, and only its owner's word is believed") {
    const Directory directory;
    const auto spec = parse_last_good(kEverything).value();
    CHECK(read_last_good(directory.path).value() == std::nullopt);
    REQUIRE(write_last_good(directory.path, spec).has_value());
    const std::string file = last_good_file(directory.path);
    struct stat before {
    }, after{};
    REQUIRE(::stat(file.c_str(), &before) == 0);
    CHECK((before.st_mode & 0777) == 0600);
    REQUIRE(write_last_good(directory.path, spec).has_value());
    REQUIRE(::stat(file.c_str(), &after) == 0);
    CHECK(before.st_ino == after.st_ino);
    CHECK(last_good_text(read_last_good(directory.path).value().value()) == kEverything);
    CHECK(::chmod(file.c_str(), 0622) == 0);
    CHECK_FALSE(read_last_good(directory.path).has_value());
    REQUIRE(forget_last_good(directory.path).has_value());
    REQUIRE(forget_last_good(directory.path).has_value());
    CHECK(read_last_good(directory.path).value() == std::nullopt);
    REQUIRE(::symlink("/dev/zero", file.c_str()) == 0);
    CHECK_FALSE(read_last_good(directory.path).has_value());
    REQUIRE(::unlink(file.c_str()) == 0);
    REQUIRE(write_file(file, std::string(300 * 1024, 'x'), 0600, true).has_value());
    CHECK_FALSE(read_last_good(directory.path).has_value());
}

TEST_CASE("the user who owns the directory may write the file, and no third one") {
    const Directory directory;
    REQUIRE(write_last_good(directory.path, parse_last_good(kEverything).value()).has_value());
    const std::string file = last_good_file(directory.path);
    constexpr uid_t kDaemon = 4242, kOther = 4243;
    REQUIRE(::chown(file.c_str(), kDaemon, kDaemon) == 0);
    CHECK_FALSE(read_last_good(directory.path).has_value());
    REQUIRE(::chown(directory.path.c_str(), kDaemon, kDaemon) == 0);
    CHECK(read_last_good(directory.path).has_value());
    REQUIRE(::chown(file.c_str(), kOther, kOther) == 0);
    CHECK_FALSE(read_last_good(directory.path).has_value());
}
