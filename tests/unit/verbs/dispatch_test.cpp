// SPDX-License-Identifier: MIT
//
// What comes before and after every verb: the request's form, the asker's role, the kinds of the fields, the event.
#include "fixture.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::verbs::test;
using control::Role;

namespace {

// A request of each verb that changes something, that succeeds; what its event says; and its operations, in order.
struct Change {
    json request;
    std::string subject;
    std::vector<std::string> operations;
};

const std::vector<Change>& changes() {
    static const std::vector<Change> all = {
        {{{"verb", "ban"}, {"prefix", "203.0.113.7"}}, "203.0.113.7", {"ban"}},
        {{{"verb", "unban"}, {"prefix", "203.0.113.7"}}, "203.0.113.7", {"unban"}},
        {{{"verb", "unban"}, {"all", true}}, "all", {"unban"}},
        {{{"verb", "ban"}, {"prefixes", {"203.0.113.7", "203.0.113.8"}}}, "2 addresses and networks", {"ban"}},
        {{{"verb", "open"}, {"address", "192.0.2.9"}, {"service", "ssh"}}, "ssh for 192.0.2.9", {"open"}},
        {{{"verb", "close"}, {"what", "anna"}, {"cut", true}}, "anna and its sessions", {"close", "end"}},
        {{{"verb", "close"}, {"what", "192.0.2.2"}, {"cut", true}}, "192.0.2.2 and its sessions", {"close", "end"}},
        {{{"verb", "panic"}}, "", {"panic"}},
        {{{"verb", "panic"}, {"over", true}}, "--over", {"panic-over"}},
        {{{"verb", "unlock"}, {"what", "bob/phone"}}, "bob/phone", {"unlock"}},
        {{{"verb", "reload"}}, "", {"reload"}},
        {{{"verb", "reload"}, {"users", {"anna"}}, {"change", "disabled"}}, "anna: disabled", {"reload-users"}},
        {{{"verb", "try"}, {"seconds", 300}}, "5m", {"try"}},
        {{{"verb", "confirm"}}, "", {"confirm"}},
        {{{"verb", "clock-accept"}}, "", {"clock-accept"}},
        {{{"verb", "takeover"}}, "", {"takeover"}},
    };
    return all;
}

} // namespace

TEST_CASE("a malformed request gets an error, and nothing is done") {
    VerbFixture f;
    const auto wrong = [&](const std::string& text) {
        const json reply = json::parse(f.ask_text(text));
        CHECK(reply.at("exit") == 2);
        return reply.at("error").get<std::string>();
    };
    CHECK(wrong("") == "the request is not JSON");
    CHECK(wrong("hello") == "the request is not JSON");
    CHECK(wrong("{\"verb\":\"status\"") == "the request is not JSON");
    CHECK(wrong("{\"verb\":\"status\"} x") == "the request is not JSON");
    CHECK(wrong("{\"verb\":NaN}") == "the request is not JSON");
    CHECK(wrong("{'verb':'status'}") == "the request is not JSON");
    for (const char* none :
         {"[1]", "1", "\"status\"", "null", "{}", "{\"a\":1}", "{\"verb\":1}", "{\"verb\":[\"status\"]}"})
        CHECK(wrong(none) == "the request is not a JSON object with a verb");
    CHECK(wrong("{\"verb\":\"explode\"}") == "there is no verb \"explode\"");
    CHECK(wrong("{\"verb\":\"STATUS\"}") == "there is no verb \"STATUS\"");
    CHECK(wrong("{\"verb\":\"panic\\u0000\"}") == "there is no verb \"panic\\x00\"");
    CHECK(f.daemon.calls.empty());
    CHECK(f.sink.events.empty());
}

TEST_CASE("text of a foreign encoding is refused or escaped, and never ends the daemon") {
    VerbFixture f;
    for (const char* text : {"{\"verb\":\"close\",\"what\":\"caf\xe9\"}", "{\"verb\":\"\xff\xfe\"}",
                             "{\"verb\":\"close\",\"what\":\"\\ud800\"}", "{\"verb\":\"close\",\"what\":\"\xc0\x80\"}"})
        CHECK(json::parse(f.ask_text(text)).at("error") == "the request is not JSON");
    CHECK(f.ask_wrong({{"verb", "close"}, {"what", "caf\u00e9\u202e\n\x1b[2J"}}) ==
          "\"caf\\xc3\\xa9\\xe2\\x80\\xae\\x0a\\x1b[2J\" is neither an address nor a user|knockctl users|1");
    // A file's name may be of any bytes, and a reply is UTF-8 all the same.
    auto config = FakeDaemon::make_config();
    config.file = "/etc/caf\xe9/xknock.yaml";
    f.daemon.set_config(config);
    CHECK(f.ask({{"verb", "status"}}).at("config") == "/etc/caf\xef\xbf\xbd/xknock.yaml");
}

TEST_CASE("a name of any length is cut in replies, log lines and events") {
    VerbFixture f;
    const std::string name(1 << 20, 'a');
    f.daemon.opened.answer = authz::Answer::refused;
    for (const json& request :
         {json{{"verb", name}}, json{{"verb", "close"}, {"what", name}}, json{{"verb", "unlock"}, {"what", name}},
          json{{"verb", "ban"}, {"prefix", name}}, json{{"verb", "open"}, {"address", name}, {"service", "ssh"}},
          json{{"verb", "open"}, {"address", "192.0.2.9"}, {"service", name}},
          json{{"verb", "unban"}, {"all", true}, {"family", name}}}) {
        const std::string reply = f.ask_text(request.dump());
        CHECK(reply.size() < 1000);
        CHECK(json::parse(reply).contains("error"));
    }
    CHECK(f.log().size() < 1000);
    for (const authz::Event& event : f.sink.events)
        CHECK(event.detail.size() < 300);
}

TEST_CASE("a request that is nested deeply, or all brackets, takes no stack") {
    VerbFixture f;
    const std::size_t much = 1 << 19;
    const std::string open(much, '['), close(much, ']');
    std::string objects;
    for (std::size_t i = 0; i < much / 5; ++i)
        objects += "{\"a\":";
    for (const std::string& text :
         {open, open + close, "{\"verb\":\"ban\",\"ipv6_prefix\":" + open + close + "}",
          "{\"verb\":\"close\",\"what\":" + open + close + "}", "{\"verb\":\"nobody's\",\"x\":" + open + close + "}",
          objects, "{\"verb\":\"status\",\"x\":" + objects + "1" + std::string(much / 5, '}') + "}"})
        CHECK(json::parse(f.ask_text(text)).at("error") == "the request is nested too deeply");
    // Brackets in a text are text, whatever quotes are in it.
    const json request = {{"verb", "close"}, {"what", std::string(1000, '[') + "\\\"" + std::string(1000, '{')}};
    CHECK(f.ask(request).at("error").get<std::string>().ends_with("is neither an address nor a user"));
    // A limit that is too low would refuse good requests.
    CHECK(f.ask({{"verb", "status"}, {"x", {{{{{{{{{1}}}}}}}}}}}).contains("version"));
}

TEST_CASE("a request of a mebibyte is answered: many fields, many addresses, long numbers" *
          doctest::test_suite("long")) {
    VerbFixture f;
    json many = {{"verb", "status"}};
    for (int i = 0; i < 60'000; ++i)
        many["field" + std::to_string(i)] = i;
    CHECK(many.dump().size() > 1 << 20);
    CHECK(f.ask(many).contains("version"));
    json list = {{"verb", "unban"}, {"prefixes", json::array()}};
    for (int i = 0; i < 80'000; ++i)
        list["prefixes"].push_back("192.0.2.999");
    CHECK(f.ask(list).at("refused").size() == 80'000);
    const std::string digits(1 << 20, '9');
    CHECK(json::parse(f.ask_text("{\"verb\":\"ban\",\"prefix\":\"192.0.2.9\",\"seconds\":" + digits + "}"))
              .contains("error"));
    CHECK(f.daemon.book.all().empty());
}

TEST_CASE("fields that a verb does not know are ignored, and of two of one name the last counts") {
    VerbFixture f;
    CHECK(f.ask({{"verb", "status"}, {"what", 7}, {"seconds", "x"}}).contains("version"));
    CHECK(f.ask({{"verb", "unlock"}, {"what", "bob"}, {"cut", 1}}) == json{{"unlocked", 1}});
    CHECK(json::parse(f.ask_text("{\"verb\":\"panic\",\"verb\":\"status\"}")).contains("version"));
    CHECK(f.daemon.calls == std::vector<std::string>{"unlock 2"});
}

TEST_CASE("a field of another kind is refused before anything is done") {
    VerbFixture f;
    const json values[] = {nullptr, 7, -7, 1.5, true, "text", json::array(), json::array({1}), json::object()};
    const auto fits = [](verbs::FieldKind kind, const json& value) {
        switch (kind) {
        case verbs::FieldKind::text:
            return value.is_string();
        case verbs::FieldKind::texts:
            return value == json::array();
        case verbs::FieldKind::truth:
            return value.is_boolean();
        case verbs::FieldKind::seconds:
            return value == 7;
        case verbs::FieldKind::bits:
        case verbs::FieldKind::session:
            break;
        }
        return false;
    };
    std::size_t tried = 0;
    for (const verbs::Verb& verb : f.verbs.table())
        for (const verbs::Field& field : verb.fields)
            for (const json& value : values)
                if (!fits(field.kind, value)) {
                    const json reply = f.ask({{"verb", verb.name}, {field.name, value}});
                    const std::string tried_one = std::string(verb.name) + " " + std::string(field.name) + value.dump();
                    CAPTURE(tried_one);
                    CHECK(reply.at("exit") == 2);
                    CHECK(reply.at("error").get<std::string>().find(field.name) != std::string::npos);
                    ++tried;
                }
    CHECK(tried > 100);
    CHECK(f.daemon.calls.empty());
    CHECK(f.sink.events.empty());
    CHECK(f.log().empty());
}

TEST_CASE("seconds, bits and sessions are checked to the last digit") {
    VerbFixture f;
    const auto ban = [&](const char* field, const json& value) {
        return f.ask_wrong({{"verb", "ban"}, {"prefix", "192.0.2.9"}, {field, value}});
    };
    for (const json& value : {json(0), json(-1), json(4'294'967'296), json(1.5), json("60"), json(UINT64_MAX)})
        CHECK(ban("seconds", value) == "\"seconds\" is not a number of seconds||2");
    for (const json& value : {json(31), json(129), json(-64), json(64.0), json(4'294'967'360)})
        CHECK(ban("ipv6_prefix", value) == "\"ipv6_prefix\" is not a number of bits, 32 to 128||2");
    const json good = {{"remote", "192.0.2.9"}, {"remote_port", 40000}, {"local", "192.0.2.1"}, {"local_port", 22}};
    for (const char* field : {"remote", "remote_port", "local", "local_port"})
        for (const json& value : {json(), json(65536), json(-1), json("x"), json(22.5), json("192.0.2.9/32")}) {
            json session = good;
            session[field] = value;
            CHECK(f.ask_wrong({{"verb", "panic"}, {"caller", session}}) == "\"caller\" is no session||2");
            session.erase(field);
            CHECK(f.ask_wrong({{"verb", "panic"}, {"caller", session}}) == "\"caller\" is no session||2");
        }
    CHECK(f.daemon.calls.empty());
    CHECK(f.ask({{"verb", "panic"}, {"caller", good}}).contains("closed"));
    CHECK(f.daemon.calls == std::vector<std::string>{"panic but 192.0.2.9:40000 to 192.0.2.1:22"});
}

TEST_CASE("readers may read and change nothing") {
    VerbFixture f;
    f.peer.role = Role::reader;
    std::size_t refused = 0;
    for (const verbs::Verb& verb : f.verbs.table()) {
        const json reply = f.ask({{"verb", verb.name}, {"prefix", 7}});
        CAPTURE(std::string(verb.name));
        CHECK(reply.contains("error") == (verb.role == Role::admin));
        CHECK((verb.role == Role::admin) == bool(verb.subject)); // who changes something says about what
        refused += reply.contains("error");
    }
    CHECK(refused == 11);
    CHECK(f.ask_wrong({{"verb", "reload"}}) ==
          "you may look, but not reload|be root, or a member of control.admin_group|1");
    CHECK(f.daemon.calls == std::vector<std::string>{"counters"});
    CHECK(f.sink.events.empty());
    CHECK(f.log().empty());
}

TEST_CASE("every verb that changes something emits one event, and says in the log by which uid") {
    std::set<std::string_view> seen;
    for (const Change& change : changes()) {
        VerbFixture f;
        f.daemon.book.set(prefix_of("203.0.113.7"), {{"", prefix_of("203.0.113.7"), std::nullopt}});
        const json reply = f.ask(change.request);
        CAPTURE(change.request.dump());
        CHECK(!reply.contains("error"));
        REQUIRE(!f.sink.events.empty());
        CHECK(std::ranges::count(f.sink.events, authz::EventKind::operator_action, &authz::Event::kind) == 1);
        const authz::Event& event = f.sink.events.back();
        CHECK(event.kind == authz::EventKind::operator_action);
        CHECK(event.at.boot == f.now.boot);
        CHECK(event.verb == change.request.at("verb"));
        CHECK(event.detail == change.subject);
        CHECK(event.failure == "");
        REQUIRE(event.by);
        CHECK(event.by->uid == 1000);
        CHECK(event.by->pid == 4711);
        CHECK(!event.by->login_uid);
        CHECK(f.log().find("the operator (uid 1000)") != std::string::npos);
        for (const verbs::Verb& verb : f.verbs.table())
            if (verb.name == event.verb)
                seen.insert(verb.name);
    }
    VerbFixture f;
    for (const verbs::Verb& verb : f.verbs.table())
        CHECK((verb.role == Role::admin) == seen.contains(verb.name));
}

TEST_CASE("the error of an operation that fails is in the reply and in the event") {
    for (const Change& change : changes())
        for (const std::string& operation : change.operations) {
            VerbFixture f;
            f.daemon.failing = operation;
            CAPTURE(change.request.dump());
            CAPTURE(operation);
            const std::string reply = f.ask_wrong(change.request);
            CHECK(reply.ends_with(operation + " failed|look at " + operation + "|1"));
            REQUIRE(f.sink.events.size() == 1);
            CHECK(f.sink.events.front().failure == reply.substr(0, reply.find('|')));
            CHECK(f.sink.events.front().detail == change.subject);
        }
    VerbFixture f;
    f.daemon.failing = "counters";
    CHECK(f.ask_wrong({{"verb", "stats"}}) == "counters failed|look at counters|1");
    CHECK(f.sink.events.empty());
}

TEST_CASE("an event's text is printable and short") {
    VerbFixture f;
    f.ask({{"verb", "unlock"}, {"what", "x\n\x1b" + std::string(500, 'y')}});
    REQUIRE(f.sink.events.size() == 1);
    CHECK(f.sink.events.front().detail.starts_with("x\\x0a\\x1byyy"));
    CHECK(f.sink.events.front().detail.size() < 300);
    CHECK(f.sink.events.front().failure.find('\n') == std::string::npos);
}

TEST_CASE("the operator is named by uid, and by login uid where it is another one") {
    const auto line_of = [](uid_t uid, std::optional<uid_t> login_uid) {
        VerbFixture f;
        f.peer.uid = uid;
        f.peer.login_uid = login_uid;
        f.ask({{"verb", "unlock"}, {"what", "bob"}});
        return f.log();
    };
    CHECK(line_of(0, std::nullopt) == "info unlocked bob by the operator (uid 0)\n");
    CHECK(line_of(0, 1000) == "info unlocked bob by the operator (uid 0, login uid 1000)\n");
    CHECK(line_of(1000, 1000) == "info unlocked bob by the operator (uid 1000)\n");
}
