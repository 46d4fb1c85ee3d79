// SPDX-License-Identifier: MIT
//
// bans, ban, unban: what each is to the one who does it, with a book of bans that is real.
#include "fixture.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::verbs::test;

namespace {

json ban_request(json more) {
    json request = {{"verb", "ban"}};
    request.update(more);
    return request;
}

json unban_request(json more) {
    json request = {{"verb", "unban"}};
    request.update(more);
    return request;
}

std::string last_call(const VerbFixture& f) { return f.daemon.calls.empty() ? "" : f.daemon.calls.back(); }

} // namespace

TEST_CASE("bans: each has its owners, the longest first, and bans that are over are not there") {
    VerbFixture f;
    const Prefix single = prefix_of("203.0.113.7"), network = prefix_of("2001:db8:7::/64");
    f.daemon.book.set(single, {{"fail2ban sshd", single, f.in(600)}, {"fail2ban recidive", single, f.in(9000)}});
    f.daemon.book.set(network, {{"fail2ban sshd", prefix_of("2001:db8:7::1"), std::nullopt}});
    f.daemon.book.set(prefix_of("203.0.113.8"), {{"over", prefix_of("203.0.113.8"), f.in(0)}});
    CHECK(f.ask({{"verb", "bans"}}) == json::parse(R"({"bans": [
        {"prefix": "203.0.113.7", "expires_in_s": 9000, "reason": "fail2ban recidive", "owners": [
            {"reason": "fail2ban recidive", "expires_in_s": 9000}, {"reason": "fail2ban sshd", "expires_in_s": 600}]},
        {"prefix": "2001:db8:7::/64", "expires_in_s": null, "reason": "fail2ban sshd", "owners": [
            {"reason": "fail2ban sshd", "expires_in_s": null, "address": "2001:db8:7::1"}]}]})"));
}

TEST_CASE("bans: a list in whose middle bans come, go and change") {
    VerbFixture f;
    for (const char* text : {"203.0.113.2", "203.0.113.4", "203.0.113.6"})
        f.daemon.book.set(prefix_of(text), {{"", prefix_of(text), f.in(60)}});
    control::Reply answer = f.begin({{"verb", "bans"}});
    REQUIRE(answer.rest(answer.json));
    f.daemon.book.set(prefix_of("203.0.113.4"), {});
    f.daemon.book.set(prefix_of("203.0.113.1"), {{"", prefix_of("203.0.113.1"), std::nullopt}});
    f.daemon.book.set(prefix_of("203.0.113.5"), {{"new", prefix_of("203.0.113.5"), std::nullopt}});
    f.now.boot += std::chrono::seconds(20);
    while (answer.rest(answer.json)) {
    }
    const json reply = json::parse(answer.json);
    std::string seen;
    for (const json& ban : reply.at("bans"))
        seen += ban.at("prefix").get<std::string>() + " " + ban.at("expires_in_s").dump() + ", ";
    CHECK(seen == "203.0.113.2 60, 203.0.113.5 null, 203.0.113.6 40, ");
}

TEST_CASE("ban: for a time, for ever, prolonged and never shortened") {
    VerbFixture f;
    CHECK(f.ask(ban_request({{"prefix", "203.0.113.7"}, {"seconds", 7200}, {"reason", "by hand"}})) ==
          json{{"banned", "203.0.113.7"}, {"expires_in_s", 7200}});
    CHECK(f.log() == "info banned 203.0.113.7 for 2h by the operator (uid 1000): by hand\n");
    CHECK(f.ask(ban_request({{"prefix", "203.0.113.7"}, {"seconds", 60}, {"reason", "sshd"}})) ==
          json{{"banned", "203.0.113.7"}, {"expires_in_s", 7200}}); // of the longest owner
    CHECK(f.ask(ban_request({{"prefix", "::ffff:203.0.113.7"}})) ==
          json{{"banned", "203.0.113.7"}, {"expires_in_s", nullptr}});
    CHECK(f.log().ends_with("info banned 203.0.113.7 for ever by the operator (uid 1000)\n"));
    CHECK(f.ask(ban_request({{"prefix", "198.51.100.64/26"}})).at("banned") == "198.51.100.64/26");
    CHECK(f.ask(ban_request({{"prefix", "2001:db8:7::1"}, {"ipv6_prefix", 64}})).at("banned") == "2001:db8:7::/64");
    CHECK(last_call(f) == "ban 2001:db8:7::1 /64");
    f.sink.lines.set_dry_run(true);
    f.ask(ban_request({{"prefix", "203.0.113.9"}}));
    CHECK(f.log().ends_with("info would ban 203.0.113.9 for ever by the operator (uid 1000)\n"));
}

TEST_CASE("ban: what cannot be banned") {
    VerbFixture f;
    f.daemon.spared = {prefix_of("192.0.2.1")};
    CHECK(f.ask_wrong(ban_request({{"prefix", "192.0.2.1"}})) == "192.0.2.1 is an address of this host|spare it|1");
    CHECK(f.ask_wrong(ban_request({{"prefix", "203.0.113.9/24"}})).ends_with("did you mean 203.0.113.0/24?|2"));
    CHECK(f.ask(ban_request({{"prefix", ""}})).at("exit") == 2);
    CHECK(f.ask(ban_request(json::object())).at("exit") == 2);
    CHECK(f.log().empty());
    CHECK(f.daemon.book.all().empty());
}

TEST_CASE("ban: a list in which some are no prefixes and some are spared") {
    VerbFixture f;
    f.daemon.spared = {prefix_of("192.0.2.1")};
    const json reply = f.ask(ban_request({{"prefixes", {"203.0.113.1", "caf\xc3\xa9", "192.0.2.1", "203.0.113.2"}},
                                          {"seconds", 60},
                                          {"reason", "list"}}));
    CHECK(reply.size() == 2);
    CHECK(reply.at("banned") == 2);
    REQUIRE(reply.at("refused").size() == 2);
    CHECK(reply.at("refused").at(0).at("prefix") == "caf\xc3\xa9");
    CHECK(reply.at("refused").at(0).at("error").get<std::string>().find("caf\\xc3\\xa9") != std::string::npos);
    CHECK(reply.at("refused").at(1) ==
          json{{"prefix", "192.0.2.1"}, {"error", "192.0.2.1 is an address of this host"}});
    CHECK(f.log() == "info banned 2 addresses and networks for 1m by the operator (uid 1000): list\n");
    CHECK(f.ask(ban_request({{"prefixes", json::array()}})) == json{{"banned", 0}, {"refused", json::array()}});
}

TEST_CASE("a reason cannot speak for somebody else in the log") {
    VerbFixture f;
    f.ask(ban_request({{"prefix", "203.0.113.7"}, {"reason", "x\ninfo unlocked anna by the operator (uid 0)"}}));
    CHECK(f.log() == "info banned 203.0.113.7 for ever by the operator (uid 1000): x\\x0ainfo unlocked anna by the "
                     "operator (uid 0)\n");
}

TEST_CASE("unban: of one owner, of all, of nobody") {
    VerbFixture f;
    f.ask(ban_request({{"prefix", "203.0.113.7"}, {"seconds", 60}, {"reason", "sshd"}}));
    f.ask(ban_request({{"prefix", "203.0.113.7"}, {"seconds", 600}, {"reason", "recidive"}}));
    f.ask(ban_request({{"prefix", "203.0.113.0/24"}, {"reason", "by hand"}}));
    const json reply = f.ask(unban_request({{"prefix", "203.0.113.7"}, {"reason", "sshd"}}));
    CHECK(reply.size() == 2);
    CHECK(reply.at("unbanned") == 1);
    REQUIRE(reply.at("still_banned").size() == 2); // by itself and by the network around it
    for (const json& ban : reply.at("still_banned"))
        CHECK(ban.size() == 4);
    CHECK(f.log().ends_with("info took away a ban of 203.0.113.7 by the operator (uid 1000): sshd\n"));
    CHECK(last_call(f) == "unban 203.0.113.7 of sshd");
    f.ask(unban_request({{"prefix", "203.0.113.0/24"}}));
    CHECK(f.log().ends_with("info unbanned 203.0.113.0/24 by the operator (uid 1000)\n"));
    const std::string log = f.log();
    CHECK(f.ask(unban_request({{"prefix", "203.0.113.9"}})) == json{{"unbanned", 0}, {"still_banned", json::array()}});
    CHECK(f.log() == log); // nothing happened
    CHECK(f.ask(unban_request({{"prefix", "203.0.113.9/24"}})).at("exit") == 2);
}

TEST_CASE("unban: a list, and all of a family or of an owner") {
    VerbFixture f;
    for (const char* text : {"203.0.113.1", "203.0.113.2", "2001:db8::1"})
        f.ask(ban_request(
            {{"prefix", text}, {"reason", text[0] == '2' && text[1] == '0' && text[2] == '3' ? "" : "six"}}));
    CHECK(f.ask(unban_request({{"prefixes", {"203.0.113.1", "x", "203.0.113.3"}}})).at("unbanned") == 1);
    CHECK(f.ask(unban_request({{"prefixes", {"x"}}})).at("refused").size() == 1);
    CHECK(f.ask(unban_request({{"all", true}, {"family", "inet6"}, {"reason", ""}})) == json{{"unbanned", 0}});
    CHECK(f.ask(unban_request({{"all", true}, {"family", "inet4"}, {"reason", "six"}})) == json{{"unbanned", 0}});
    CHECK(f.ask(unban_request({{"all", true}, {"family", "inet6"}, {"reason", "six"}})) == json{{"unbanned", 1}});
    CHECK(f.log().ends_with("info took away 1 bans of one owner by the operator (uid 1000): six\n"));
    CHECK(f.ask(unban_request({{"all", true}, {"family", "inet4"}})) == json{{"unbanned", 1}});
    CHECK(f.log().ends_with("info took away 1 bans by the operator (uid 1000)\n"));
    CHECK(f.ask_wrong(unban_request({{"all", true}, {"family", "ipv4"}})) ==
          "there is no family \"ipv4\"|inet4, inet6|2");
    CHECK(f.ask(unban_request({{"all", false}})).at("exit") == 2); // nobody is named
}

TEST_CASE("ban: the reply says that the ban counts where a step behind it failed") {
    VerbFixture f;
    f.daemon.spared = {prefix_of("192.0.2.1")};
    f.daemon.unfinished = Error{"closing tcp/22 for 203.0.113.7: nf_tables refused", {}};
    const std::string rest =
        ", but it is not finished: closing tcp/22 for 203.0.113.7: nf_tables refused|try again: it "
        "takes the missing steps, and the ban stays as it is|1";
    CHECK(f.ask_wrong(ban_request({{"prefix", "203.0.113.7"}})) == "the ban of 203.0.113.7 counts" + rest);
    CHECK(f.log() ==
          "info banned 203.0.113.7 for ever by the operator (uid 1000)\nwarning the ban of 203.0.113.7 counts, "
          "but it is not finished: closing tcp/22 for 203.0.113.7: nf_tables refused\n");
    CHECK(f.sink.events.at(0).failure.starts_with("the ban of 203.0.113.7 counts, but"));
    CHECK(f.ask_wrong(ban_request({{"prefixes", {"203.0.113.7", "203.0.113.8", "192.0.2.1", "x"}}})) ==
          "the ban of 2 addresses and networks counts, 2 were refused" + rest);
    CHECK(f.daemon.book.all().size() == 2);
    f.daemon.unfinished.reset();
    CHECK(f.ask(ban_request({{"prefix", "203.0.113.7"}})).at("banned") == "203.0.113.7");
}

TEST_CASE("unban: the ban is lifted, and the reply says so where its sessions could not be ended") {
    VerbFixture f;
    f.ask(ban_request({{"prefix", "203.0.113.7"}}));
    f.daemon.failing = "end-banned-sessions";
    CHECK(f.ask_wrong(unban_request({{"prefix", "203.0.113.7"}})) ==
          "the bans of this request are lifted, but sessions that bans should have ended may live on: "
          "end-banned-sessions failed|knockctl close ADDRESS --cut|1");
    CHECK(f.daemon.book.all().empty());
    CHECK(f.ask(unban_request({{"prefix", "x"}})).at("exit") == 2); // nothing was lifted
}

TEST_CASE("unban: the sessions of banned addresses end first, however short the ban was") {
    VerbFixture f;
    f.ask(ban_request({{"prefix", "203.0.113.7"}}));
    f.ask(unban_request({{"prefix", "203.0.113.7"}}));
    CHECK(f.daemon.calls ==
          std::vector<std::string>{"ban 203.0.113.7 /128", "end-banned-sessions", "unban 203.0.113.7"});
    f.daemon.calls.clear();
    f.daemon.dry_run = true; // no ban ended any
    f.ask(unban_request({{"all", true}}));
    CHECK(f.daemon.calls == std::vector<std::string>{"unban all"});
}
