// SPDX-License-Identifier: MIT
#include "daemon/grants/owners.h"

#include "protocol/base/secure_file.h"
#include "tests/unit/grants/fixtures.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace xk;
using namespace xk::test;

namespace {

const Pinhole kSsh = pinhole("203.0.113.5", "tcp/22");
const Pinhole kMedia = pinhole("203.0.113.5", "tcp/7000");

struct Directory {
    std::string path;
    Directory() {
        char name[] = "/tmp/xk-owners.XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
    }
    ~Directory() { std::filesystem::remove_all(path); }
};

struct Field : Ground {
    Field() {
        reporter.add_listener(owners);
        REQUIRE(owners.read(directory.path, ::geteuid()));
    }
    Directory directory;
    Owners owners{grants};
};

} // namespace

TEST_CASE("whose the sessions are outlives grants and daemon") {
    Field field;
    CHECK_FALSE(field.owners.was_read());
    REQUIRE(field.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    REQUIRE(field.open(kBob, "203.0.113.5", "media", 30) == Answer::done);
    field.report();
    field.pass(31s);
    field.grants.expire(field.now.boot);
    field.report();
    REQUIRE(field.owners.save());
    Owners next(field.grants);
    REQUIRE(next.read(field.directory.path, ::geteuid()));
    CHECK(next.was_read());
    REQUIRE(next.all().size() == 2);
    CHECK(next.all().at(kSsh).holders == std::set{field.id(kAnna)});
    CHECK(next.all().at(kMedia).last_port == 7100);
    CHECK(next.all().at(kMedia).is_of(kMedia, pinhole("203.0.113.5", "tcp/7099")));
    CHECK_FALSE(next.all().at(kMedia).is_of(kMedia, pinhole("203.0.113.5", "tcp/7101")));
}

TEST_CASE("a file that makes no sense is an error, and nothing is known by it") {
    for (const char* content : {"", "xknock-owners 9\n", "xknock-owners 1\nnonsense\n",
                                "xknock-owners 1\n203.0.113.5 - tcp/22 21 0102030405060708\n",
                                "xknock-owners 1\n203.0.113.5 - tcp/22 22 01\n",
                                "xknock-owners 1\n203.0.113.5 - tcp/22 22 0102030405060708 x\n"}) {
        Field field;
        REQUIRE(write_file(Owners::file_in(field.directory.path), content, 0600, true));
        Owners next(field.grants);
        CHECK_FALSE_MESSAGE(next.read(field.directory.path, ::geteuid()), content);
        CHECK(next.all().empty());
        CHECK_FALSE(next.was_read());
    }
}

TEST_CASE("who has neither grant nor session is forgotten") {
    Field field;
    REQUIRE(field.open(kAnna, "203.0.113.5", "ssh", 30) == Answer::done);
    REQUIRE(field.open(kBob, "203.0.113.5", "ssh", 300) == Answer::done);
    REQUIRE(field.open(kAnna, "203.0.113.5", "media", 30) == Answer::done);
    field.report();
    field.owners.prune({}, field.now.boot);
    CHECK(field.owners.all().at(kSsh).holders.size() == 2); // they have grants
    field.pass(31s);
    field.grants.expire(field.now.boot);
    field.report();
    field.owners.prune({kMedia}, field.now.boot);
    CHECK(field.owners.all().at(kSsh).holders == std::set{field.id(kBob)});
    CHECK(field.owners.all().at(kMedia).holders == std::set{field.id(kAnna)}); // its session lives
    field.owners.prune({}, field.now.boot);
    CHECK_FALSE(field.owners.knows(kMedia));
    field.owners.forget(kSsh, {field.id(kBob)});
    CHECK(field.owners.all().empty());
}

TEST_CASE("it is looked for sessions soon where two share a pinhole, else now and then") {
    Field field;
    CHECK_FALSE(field.owners.wants_look(field.now.boot));
    REQUIRE(field.open(kAnna, "203.0.113.5", "ssh", 3000) == Answer::done);
    field.report();
    field.owners.prune({kSsh}, field.now.boot);
    field.pass(20s);
    CHECK_FALSE(field.owners.wants_look(field.now.boot));
    REQUIRE(field.open(kBob, "203.0.113.5", "ssh", 3000) == Answer::done);
    field.report();
    CHECK(field.owners.wants_look(field.now.boot));
    field.owners.prune({kSsh}, field.now.boot);
    field.pass(299s);
    CHECK_FALSE(field.owners.wants_look(field.now.boot));
    field.pass(1s);
    CHECK(field.owners.wants_look(field.now.boot));
}
