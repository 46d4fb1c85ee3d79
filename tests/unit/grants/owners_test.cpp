// SPDX-License-Identifier: MIT
#include "daemon/grants/owners.h"

#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"
#include "tests/unit/grants/fixtures.h"
#include "tests/unit/recording/directory.h"

#include <unistd.h>

#include <filesystem>

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");
const Pinhole kMedia = pinhole("203.0.113.5", "tcp/7000");

struct OwnersFixture : GrantFixture {
    OwnersFixture() {
        reporter.add_listener(owners);
        REQUIRE(owners.read(directory.path(), ::geteuid()));
    }
    TemporaryDirectory directory;
    Owners owners{grants};
};

} // namespace

TEST_CASE("owners that could not be written are written by the next save") {
    OwnersFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    f.report();
    std::filesystem::remove_all(f.directory.path());
    CHECK_FALSE(f.owners.save());
    std::filesystem::create_directory(f.directory.path());
    REQUIRE(f.owners.save());
    Owners next(f.grants);
    REQUIRE(next.read(f.directory.path(), ::geteuid()));
    CHECK(next.was_read());
}

TEST_CASE("the owners of sessions outlive their grants and the daemon") {
    OwnersFixture f;
    CHECK_FALSE(f.owners.was_read());
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5", "media", 30) == Answer::done);
    f.report();
    f.pass(31s);
    f.grants.expire(f.now.boot);
    f.report();
    REQUIRE(f.owners.save());
    Owners next(f.grants);
    REQUIRE(next.read(f.directory.path(), ::geteuid()));
    CHECK(next.was_read());
    REQUIRE(next.all().size() == 2);
    CHECK(next.all().at(kSsh).holders == std::set{f.id(kAnna)});
    CHECK(next.all().at(kMedia).last_port == 7100);
    CHECK(next.all().at(kMedia).is_of(kMedia, pinhole("203.0.113.5", "tcp/7099")));
    CHECK_FALSE(next.all().at(kMedia).is_of(kMedia, pinhole("203.0.113.5", "tcp/7101")));
}

TEST_CASE("a damaged file is an error, and nothing is known by it") {
    for (const char* content :
         {"", "xknock-owners 9\n", "xknock-owners 1\nnonsense\n",
          "xknock-owners 1\n203.0.113.5 - tcp/22 21 0102030405060708\n",
          "xknock-owners 1\n203.0.113.5 - tcp/22 22 01\n", "xknock-owners 1\nanna - tcp/22 22 0102030405060708\n",
          "xknock-owners 1\n203.0.113.5 anna tcp/22 22 0102030405060708\n",
          "xknock-owners 1\n203.0.113.5 - 22 22 0102030405060708\n",
          "xknock-owners 1\n203.0.113.5 - tcp/22 22x 0102030405060708\n",
          "xknock-owners 1\n203.0.113.5 - tcp/22 70000 0102030405060708\n",
          "xknock-owners 1\n203.0.113.5 - tcp/22 22\n", "xknock-owners 1\n203.0.113.5 - tcp/22 22 0102030405060708,0\n",
          "xknock-owners 1\n203.0.113.5 - tcp/22 22 0102030405060708\nnonsense\n",
          "xknock-owners 1\n203.0.113.5 - tcp/22 22 0102030405060708 x\n"}) {
        OwnersFixture f;
        REQUIRE(write_file(Owners::file_in(f.directory.path()), content, 0600, true));
        Owners next(f.grants);
        CHECK_FALSE_MESSAGE(next.read(f.directory.path(), ::geteuid()), content);
        CHECK(next.all().empty());
        CHECK_FALSE(next.was_read());
    }
}

TEST_CASE("owners without a grant and without a session are forgotten") {
    OwnersFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    REQUIRE(f.open(kBob, "203.0.113.5", "ssh", 300) == Answer::done);
    REQUIRE(f.open(kAnna, "203.0.113.5", "media", 30) == Answer::done);
    f.report();
    f.owners.prune({}, f.now.boot);
    CHECK(f.owners.all().at(kSsh).holders.size() == 2); // they have grants
    f.pass(31s);
    f.grants.expire(f.now.boot);
    f.report();
    f.owners.prune({kMedia}, f.now.boot);
    CHECK(f.owners.all().at(kSsh).holders == std::set{f.id(kBob)});
    CHECK(f.owners.all().at(kMedia).holders == std::set{f.id(kAnna)}); // its session lives
    f.owners.prune({}, f.now.boot);
    CHECK_FALSE(f.owners.knows(kMedia));
    f.owners.forget(kSsh, {f.id(kBob)});
    CHECK(f.owners.all().empty());
}

TEST_CASE("sessions are looked for every 10 seconds where two users share a pinhole, else every 5 minutes") {
    OwnersFixture f;
    CHECK_FALSE(f.owners.wants_look(f.now.boot));
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 3000) == Answer::done);
    f.report();
    f.owners.prune({kSsh}, f.now.boot);
    f.pass(20s);
    CHECK_FALSE(f.owners.wants_look(f.now.boot));
    REQUIRE(f.open(kBob, "203.0.113.5", "ssh", 3000) == Answer::done);
    f.report();
    CHECK(f.owners.wants_look(f.now.boot));
    f.owners.prune({kSsh}, f.now.boot);
    f.pass(299s);
    CHECK_FALSE(f.owners.wants_look(f.now.boot));
    f.pass(1s);
    CHECK(f.owners.wants_look(f.now.boot));
}

TEST_CASE("a file that others may write is not believed") {
    OwnersFixture f;
    REQUIRE(write_file(Owners::file_in(f.directory.path()), "xknock-owners 1\n", 0600, true));
    Owners next(f.grants);
    std::filesystem::permissions(Owners::file_in(f.directory.path()), std::filesystem::perms::all);
    CHECK_FALSE(next.read(f.directory.path(), ::geteuid()));
    CHECK_FALSE(next.was_read());
    std::filesystem::permissions(Owners::file_in(f.directory.path()), std::filesystem::perms::owner_read);
    CHECK(next.read(f.directory.path(), ::geteuid()));
    CHECK(next.was_read());
}

TEST_CASE("a line of a host behind this one, with several holders, is read as it was written") {
    OwnersFixture f;
    const std::string line = "203.0.113.5 198.51.100.7 tcp/22 22 0102030405060708,1112131415161718\n";
    REQUIRE(write_file(Owners::file_in(f.directory.path()), "xknock-owners 1\n" + line, 0600, true));
    Owners next(f.grants);
    REQUIRE(next.read(f.directory.path(), ::geteuid()));
    const Pinhole behind{address("203.0.113.5"), address("198.51.100.7"), Endpoint::parse("tcp/22").value()};
    REQUIRE(next.all().contains(behind));
    const auto& record = next.all().at(behind);
    CHECK(record.holders.size() == 2);
    CHECK(record.is_of(behind, behind));
    Pinhole other = behind;
    other.target = {};
    CHECK_FALSE(record.is_of(behind, other));
    other = behind;
    other.address = address("203.0.113.6");
    CHECK_FALSE(record.is_of(behind, other));
    other = behind;
    other.endpoint.protocol = IpProtocol::udp;
    CHECK_FALSE(record.is_of(behind, other));
    other = behind;
    other.endpoint.port = 21;
    CHECK_FALSE(record.is_of(behind, other));
    // Forgetting one holder writes the line without it.
    next.forget(behind, {*record.holders.begin()});
    REQUIRE(next.save());
    CHECK(f.directory.read("owners") == "xknock-owners 1\n203.0.113.5 198.51.100.7 tcp/22 22 1112131415161718\n");
}

TEST_CASE("the longest file that can be written is read again") {
    OwnersFixture f;
    std::string holders;
    for (std::size_t i = 0; i < Owners::kMostHolders; ++i)
        holders += (i == 0 ? "" : ",") + to_hex(wire::CredentialId{static_cast<std::uint8_t>(i)});
    std::string lines = "xknock-owners 1\n";
    for (std::size_t i = 0; i < Owners::kMost; ++i)
        lines += "2001:db8:1111:2222:3333:4444:5555:" + std::to_string(1000 + i % 9000) +
                 " 2001:db8:1111:2222:3333:4444:6666:" + std::to_string(1000 + i / 9000) + " sctp/60000 65535 " +
                 holders + "\n";
    REQUIRE(write_file(Owners::file_in(f.directory.path()), lines, 0600, true));
    Owners next(f.grants);
    REQUIRE(next.read(f.directory.path(), ::geteuid()));
    CHECK(next.all().size() == Owners::kMost);
    CHECK(next.all().begin()->second.holders.size() == Owners::kMostHolders);
}

TEST_CASE("the file is written only where something changed") {
    OwnersFixture f;
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    f.report();
    REQUIRE(f.owners.save());
    const auto path = Owners::file_in(f.directory.path());
    const auto touched = [&] {
        REQUIRE(f.owners.save());
        const bool was_written = ::access(path.c_str(), F_OK) == 0;
        ::unlink(path.c_str());
        return was_written;
    };
    ::unlink(path.c_str());
    CHECK_FALSE(touched());
    REQUIRE(f.open(kAnna, "203.0.113.5", "ssh", 60) == Answer::done); // they hold it already
    f.report();
    CHECK_FALSE(touched());
    f.owners.prune({}, f.now.boot);
    f.owners.prune({kSsh}, f.now.boot);
    f.owners.forget(kSsh, {f.id(kBob)}); // they never held it
    f.owners.forget(kMedia, {f.id(kAnna)});
    CHECK_FALSE(touched());
    REQUIRE(f.open(kBob, "203.0.113.5", "ssh", 600) == Answer::done);
    f.report();
    CHECK(touched());
    f.pass(61s);
    f.grants.expire(f.now.boot);
    f.report();
    f.owners.prune({}, f.now.boot); // anna's grant is over
    CHECK(touched());
    f.owners.forget(kSsh, {f.id(kBob), f.id(kCarl)});
    CHECK(touched());
}

TEST_CASE("a pinhole remembers so many holders and no more, and so many pinholes are remembered and no more") {
    OwnersFixture f;
    for (std::uint8_t i = 0; i < 70; ++i)
        f.owners.on_pinhole_began({kSsh, {i, 1}});
    CHECK(f.owners.all().at(kSsh).holders.size() == Owners::kMostHolders);
    for (unsigned i = 0; i < Owners::kMost + 5; ++i)
        f.owners.on_pinhole_began({pinhole(source(i).text(), "tcp/22"), {1}});
    CHECK(f.owners.all().size() == Owners::kMost);
    f.owners.on_pinhole_began({pinhole(source(0).text(), "tcp/22"), {2}}); // it is remembered, and takes no place
    CHECK(f.owners.all().at(pinhole(source(0).text(), "tcp/22")).holders.size() == 2);
    // A full list is pruned soon, as a shared pinhole is.
    std::set<Pinhole> alive;
    for (const auto& [at, record] : f.owners.all())
        alive.insert(at);
    f.owners.prune(alive, f.now.boot);
    f.pass(11s);
    CHECK_FALSE(f.owners.wants_look(f.now.boot));
    f.owners.on_pinhole_began({pinhole("203.0.113.9", "tcp/22"), {1}});
    CHECK(f.owners.wants_look(f.now.boot));
    // The next daemon reads all of it, and a file with more is damaged.
    REQUIRE(f.owners.save());
    Owners next(f.grants);
    REQUIRE(next.read(f.directory.path(), ::geteuid()));
    CHECK(next.all().size() == Owners::kMost);
    const std::string more = f.directory.read("owners") + "203.0.113.9 - tcp/22 22 0102030405060708\n";
    REQUIRE(write_file(Owners::file_in(f.directory.path()), more, 0600, true));
    CHECK_FALSE(Owners(f.grants).read(f.directory.path(), ::geteuid()));
}

TEST_CASE("a file that cannot even be looked for is an error, and not a file that is missing") {
    OwnersFixture f;
    std::filesystem::create_symlink("owners", Owners::file_in(f.directory.path())); // it leads to itself
    Owners next(f.grants);
    CHECK_FALSE(next.read(f.directory.path(), ::geteuid()));
    CHECK_FALSE(next.was_read());
}
