// SPDX-License-Identifier: MIT
#include "client/prompt_note.h"

#include "client/prompt_lock.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

const BootTime kNow{1h};

Profile some_profile() {
    Profile profile;
    profile.factor = FactorKind::totp;
    profile.credential = {0x78, 0xb4};
    return profile;
}

RequestSpec some_request() {
    RequestSpec spec;
    spec.endpoint = {IpProtocol::tcp, 22};
    return spec;
}

PromptWish some_wish(std::uint32_t lifetime = 0) {
    RequestSpec spec = some_request();
    spec.lifetime = lifetime;
    return wish_of(some_profile(), spec, "server.example.net", 22);
}

PromptNote opened(const PromptWish& wish, BootTime at = kNow) {
    return {PromptNote::opened, at, 0, wish.lifetime, wish.request};
}

// Where the locks are.
struct OwnRuntime {
    OwnRuntime() {
        ::setenv("XDG_RUNTIME_DIR", directory.path().c_str(), 1);
        ::mkdir((directory.path() + "/xknock").c_str(), 0700);
    }
    ~OwnRuntime() { ::unsetenv("XDG_RUNTIME_DIR"); }
    std::string file() const { return directory.path() + "/xknock/prompt-test"; }
    test::TemporaryDirectory directory;
};

} // namespace

TEST_CASE("a note is read as it was written, and says neither key nor host") {
    const PromptNote notes[] = {{PromptNote::wrong, kNow, 2, 0, {}},
                                {PromptNote::sent, kNow, 1, 300, some_wish(300).request},
                                opened(some_wish())};
    for (const PromptNote& note : notes) {
        const std::string text = text_of(note);
        CHECK(text.find("server.example.net") == std::string::npos);
        const auto again = parse_prompt_note(text);
        REQUIRE(again.has_value());
        CHECK(text_of(*again) == text);
        CHECK(again->what == note.what);
        CHECK(again->at == note.at);
        CHECK(again->wrong_codes == note.wrong_codes);
    }
}

TEST_CASE("what another release wrote, or half a note, is none") {
    const std::string text = text_of(opened(some_wish()));
    for (std::size_t i = 0; i < text.size(); ++i)
        CHECK_FALSE(parse_prompt_note(text.substr(0, i)).has_value());
    CHECK_FALSE(parse_prompt_note(text + "x").has_value());
    CHECK_FALSE(parse_prompt_note(text + text).has_value());
    CHECK_FALSE(parse_prompt_note("xknock-prompt-2" + text.substr(text.find(' '))).has_value());
    CHECK_FALSE(parse_prompt_note("xknock-prompt-1 asked 1 1 0 -\n").has_value());
    CHECK_FALSE(parse_prompt_note("xknock-prompt-1 wrong 1 -1 0 -\n").has_value());
    CHECK_FALSE(parse_prompt_note("xknock-prompt-1 wrong 99999999999999999999 1 0 -\n").has_value());
    CHECK_FALSE(parse_prompt_note(std::string(256, '\0')).has_value());
}

TEST_CASE("a grant serves the same request alone") {
    const PromptWish wish = some_wish();
    CHECK(opened(wish).serves(wish, kNow + 1s));
    CHECK_FALSE(PromptNote{PromptNote::sent, kNow, 0, 0, wish.request}.serves(wish, kNow + 1s));
    CHECK_FALSE(PromptNote{PromptNote::wrong, kNow, 1, 0, wish.request}.serves(wish, kNow + 1s));

    const auto other = [&](const Profile& profile, const RequestSpec& spec,
                           const std::string& host = "server.example.net", std::uint16_t port = 22) {
        const PromptWish theirs = wish_of(profile, spec, host, port);
        return !opened(theirs).serves(wish, kNow + 1s) && !opened(wish).serves(theirs, kNow + 1s);
    };
    const RequestSpec spec = some_request();
    CHECK_FALSE(other(some_profile(), spec));
    CHECK(other(some_profile(), spec, "other.example.net"));
    CHECK(other(some_profile(), spec, "server.example.net", 443));
    RequestSpec more = spec;
    more.service = service_id("web");
    CHECK(other(some_profile(), more));
    more = spec;
    more.endpoint.port = 23;
    CHECK(other(some_profile(), more));
    more = spec;
    more.target = Address::v4(203, 0, 113, 7);
    CHECK(other(some_profile(), more));
    more = spec;
    more.source = Address::v4(192, 0, 2, 3);
    CHECK(other(some_profile(), more));
    Profile profile = some_profile();
    profile.family = Family::ipv6;
    CHECK(other(profile, spec));
    profile = some_profile();
    profile.server = "gate.example.net";
    CHECK(other(profile, spec));
    profile = some_profile();
    profile.port = 1;
    CHECK(other(profile, spec));
    profile = some_profile();
    profile.keys->nonce[0] = 1; // another server's
    CHECK(other(profile, spec));
    profile = some_profile();
    profile.probe = 0ms; // that the port answers is not enough for it
    CHECK(other(profile, spec));
}

TEST_CASE("a grant for one connection, or for another address, serves nobody else") {
    RequestSpec spec = some_request();
    spec.single_use = true;
    const PromptWish single = wish_of(some_profile(), spec, "server.example.net", 22);
    CHECK_FALSE(opened(single).serves(single, kNow));
    spec = some_request();
    spec.for_address = Address::v4(192, 0, 2, 3);
    const PromptWish delegated = wish_of(some_profile(), spec, "server.example.net", 22);
    CHECK_FALSE(opened(delegated).serves(delegated, kNow));
}

TEST_CASE("a grant serves one who wants it for no longer, and not when it may be over") {
    CHECK(opened(some_wish(300)).serves(some_wish(300), kNow + 1s));
    CHECK(opened(some_wish(300)).serves(some_wish(60), kNow + 1s));
    CHECK_FALSE(opened(some_wish(300)).serves(some_wish(301), kNow + 1s));
    CHECK_FALSE(opened(some_wish(300)).serves(some_wish(0), kNow + 1s)); // nobody knows how long that is
    CHECK_FALSE(opened(some_wish(0)).serves(some_wish(300), kNow + 1s));
    CHECK(opened(some_wish(5)).serves(some_wish(5), kNow + 4s));
    CHECK_FALSE(opened(some_wish(5)).serves(some_wish(5), kNow + 5s));
    CHECK(opened(some_wish()).serves(some_wish(), kNow + 29s));
    CHECK_FALSE(opened(some_wish()).serves(some_wish(), kNow + 30s));
    Profile profile = some_profile();
    profile.lifetime = 300;
    CHECK(opened(wish_of(profile, some_request(), "server.example.net", 22)).serves(some_wish(300), kNow));
}

TEST_CASE("the lock's file keeps the note for the next one, and none that others could have written") {
    const OwnRuntime runtime;
    PromptLock lock("prompt-test");
    CHECK(lock.text().empty());
    lock.write("nobody who has no lock writes");
    REQUIRE(lock.take() == Taken::by_us);
    CHECK(lock.text().empty());
    lock.write("a long one\n");
    lock.write("short\n");
    lock.release();
    PromptLock next("prompt-test");
    REQUIRE(next.take() == Taken::by_us);
    CHECK(next.text() == "short\n");
    struct stat status {};
    REQUIRE(::stat(runtime.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    for (const mode_t mode : {0640u, 0604u, 0620u}) {
        REQUIRE(::chmod(runtime.file().c_str(), mode) == 0);
        CHECK(next.text().empty());
    }
}

TEST_CASE("a lock's file that is none still locks, and says nothing") {
    const OwnRuntime runtime;
    REQUIRE(::mkfifo(runtime.file().c_str(), 0600) == 0);
    PromptLock lock("prompt-test");
    REQUIRE(lock.take() == Taken::by_us);
    lock.write(text_of(opened(some_wish())));
    CHECK(lock.text().empty());
    CHECK(PromptLock("prompt-test").take() == Taken::by_another);
}
