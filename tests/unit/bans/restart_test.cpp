// SPDX-License-Identifier: MIT
// Where the next daemon finds the bans of the one before it.
#include "daemon/nft/ban_sets.h"
#include "daemon/nft/transaction.h"
#include "tests/unit/bans/fixtures.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace xk;
using namespace xk::test;

TEST_CASE("the next daemon knows the owners of bans by the file, or by filter and nftables") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    REQUIRE(f.ban("203.0.113.5", 600s, "operator"));
    REQUIRE(f.ban("203.0.113.128/25", std::nullopt, "feed"));
    const auto whole = f.next();
    REQUIRE(whole->adopt(f.file(), f.now));
    CHECK(whole->book().all() == f.bans.book().all());
    // Without the file the maps know how long, and the sets for whom.
    std::filesystem::remove(f.path());
    const auto rest = f.next();
    REQUIRE(rest->adopt(f.file(), f.now));
    REQUIRE(rest->list().all().size() == 2);
    CHECK(rest->book().claims_of(prefix("203.0.113.5")).at(0).owner == "operator");
    CHECK(rest->book().claims_of(prefix("203.0.113.5")).at(0).until == f.now.boot + 600s);
    CHECK(rest->book().claims_of(prefix("203.0.113.128/25")).at(0).owner == "feed");
    // What is over meanwhile is not taken over, and everything is written anew.
    f.pass(601s);
    const auto later = f.next();
    REQUIRE(later->adopt(f.file(), f.now));
    CHECK(later->list().all().size() == 1);
    f.listener.bans.clear();
    REQUIRE(later->install(f.now));
    REQUIRE(later->report_all());
    CHECK(f.maps.bans.size() == 1);
    CHECK(f.maps.addresses == 0);
    CHECK(f.sets.elements("banned4").empty());
    CHECK(f.listener.bans.size() == 1);
    f.faults.fail_at(1);
    CHECK_FALSE(later->install(f.now));
    f.faults.fail_at(2);
    CHECK_FALSE(later->install(f.now));
    f.faults.none();
}

TEST_CASE("a damaged file loses owners and no ban") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    std::ofstream(f.path(), std::ios::app) << "nonsense\n";
    const auto next = f.next();
    REQUIRE(next->adopt(f.file(), f.now));
    CHECK(next->book().all() == f.bans.book().all()); // the owner by nftables
}

TEST_CASE("a new program of the filter looks bans up at once") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5"));
    f.maps.addresses = 0; // a fresh program looks for nothing
    f.bans.bind_filter(std::make_unique<RecordingBanFilter>(f.faults, f.maps));
    CHECK(f.maps.addresses == 1);
}

TEST_CASE("the file of a newer release stops the daemon, and its hint names the file") {
    BanFixture f;
    std::ofstream(f.path()) << "xknock-bans 2 " << kBoot << "\nwhatever";
    const auto done = f.next()->adopt(f.file(), f.now);
    REQUIRE_FALSE(done);
    CHECK(done.error().message == "\"" + f.path() + "\" was written by a newer release");
    CHECK(done.error().hint.find("rm " + f.path()) != std::string::npos);
    CHECK(done.error().exit == Exit::configuration);
    std::filesystem::remove(f.path());
    CHECK(f.next()->adopt(f.file(), f.now));
}

TEST_CASE("times of another boot mean nothing, and a file that others may write is not believed") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 600s, "sshd"));
    f.maps = {};
    nft::Transaction nothing;
    nft::clear_bans(nothing);
    REQUIRE(f.sets.commit(std::move(nothing)));
    const auto other = [&] { return BanFile(f.directory.path(), "ffffffffffffffffffffffffffffffff"); };
    CHECK_FALSE(other().read().value());
    const auto next = f.next();
    REQUIRE(next->adopt(other(), f.now));
    CHECK(next->list().all().empty());
    REQUIRE(f.ban("203.0.113.6", 600s, "sshd"));
    std::filesystem::permissions(f.path(), std::filesystem::perms::all);
    CHECK_FALSE(f.file().read());
}

TEST_CASE("a ban that the filter knows for longer than the file lasts as long as the filter says") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    f.maps.bans[prefix("203.0.113.5")] = f.now.boot + 600s;
    f.maps.bans[prefix("203.0.113.9")] = f.now.boot - 1s; // over
    f.maps.bans[prefix("203.0.113.10")] = std::nullopt;
    const auto next = f.next();
    REQUIRE(next->adopt(f.file(), f.now));
    CHECK(next->list().all().at(prefix("203.0.113.5")).until == f.now.boot + 600s);
    CHECK_FALSE(next->list().all().contains(prefix("203.0.113.9")));
    CHECK(next->list().all().contains(prefix("203.0.113.10")));
    // The file has them all again, for the daemon after that one.
    CHECK(f.file().read().value()->all() == next->book().all());
    // Where the sets cannot be listed the owners are unknown, and that is an error and no ban without an owner.
    std::filesystem::remove(f.path());
    f.faults.fail_at(1);
    CHECK_FALSE(f.next()->adopt(f.file(), f.now));
    f.faults.none();
}

TEST_CASE("without a file bans that only nftables knows are taken over, and with one they are not") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    f.maps = {};
    const std::string content = f.content();
    std::filesystem::remove(f.path());
    const auto rest = f.next();
    REQUIRE(rest->adopt(f.file(), f.now));
    CHECK(rest->book().claims_of(prefix("203.0.113.5")).at(0).owner == "sshd");
    std::ofstream(f.path(), std::ios::trunc) << content.substr(0, content.find('\n') + 1);
    f.maps.bans[prefix("203.0.113.10")] = std::nullopt; // so that the sets are listed
    const auto next = f.next();
    REQUIRE(next->adopt(f.file(), f.now));
    CHECK_FALSE(next->list().all().contains(prefix("203.0.113.5")));
}

TEST_CASE("the file is appended to, and written anew when most of it is history") {
    BanFixture f;
    const auto number = [&] { // of the inode: a file that is written anew has another one
        struct stat file {};
        REQUIRE(::stat(f.path().c_str(), &file) == 0);
        return file.st_ino;
    };
    const std::string before = f.content();
    const auto inode = number();
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    CHECK(f.content().starts_with(before));
    CHECK(f.content().size() > before.size());
    CHECK(number() == inode);
    for (int i = 0; i < 2100; ++i) {
        REQUIRE(f.ban("203.0.113.6", 60s, "sshd"));
        REQUIRE(f.unban("203.0.113.6"));
    }
    const std::string content = f.content();
    CHECK(std::count(content.begin(), content.end(), '\n') < 1000);
    f.check_same();
}

TEST_CASE("a file that cannot be written is removed, and comes again with the next change") {
    BanFixture f;
    REQUIRE(f.ban("203.0.113.5", 60s, "sshd"));
    std::filesystem::remove(f.path());
    std::filesystem::create_directory(f.path()); // nothing can replace it
    std::ofstream(f.path() + "/x") << "x";
    const auto failed = f.file().replace(f.bans.book());
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message.starts_with("a restart would not know whose bans these are: "));
    std::filesystem::remove_all(f.path());
    BanFile fresh = f.file(); // it has no descriptor yet: an append writes all
    REQUIRE(fresh.append("+ whatever\n", f.bans.book()));
    CHECK(fresh.read().value()->all() == f.bans.book().all());
    BanFile none; // of a dry run
    CHECK(none.check());
    CHECK(none.replace(f.bans.book()));
    CHECK(none.append("x\n", f.bans.book()));
    CHECK_FALSE(none.read().value());
}
