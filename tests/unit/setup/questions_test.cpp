// SPDX-License-Identifier: MIT
#include "host.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::tools;
using namespace xk::tools::setup;
using namespace xk::tools::setup::test;

namespace {

struct Run {
    Result<void> done;
    Answers answers;
    Scripted person;
};

Run ask(std::deque<std::string> typed, const SetupOptions& options = {}, const Surroundings& around = plain_server(),
        const KnownDevice& known = {}) {
    Run run{{}, {}, Scripted(std::move(typed))};
    run.done = ask_configuration(run.person, options, around, run.answers);
    if (run.done)
        run.done = ask_device(run.person, options, around, facts(), known, run.answers);
    return run;
}

} // namespace

TEST_CASE("Enter all the way is a safe gate") {
    const Run run = ask({"", "", "", "", "", ""});
    REQUIRE(run.done);
    CHECK(run.person.questions == 6); // one interface needs no question
    CHECK(run.answers.interfaces == std::vector<std::string>{"eth0"});
    CHECK(text_of(run.answers.hidden) == "ssh (tcp/22)");
    CHECK(run.answers.allow.empty());
    CHECK(run.answers.user == "anna");
    CHECK(run.answers.login == "anna");
    CHECK(run.answers.device == "laptop");
    CHECK(run.answers.factor == FactorKind::totp);
    CHECK(run.answers.hosts == std::vector<std::string>{"203.0.113.5"});
    CHECK(run.person.shows("Hide these ports [tcp/22]: "));
    CHECK(run.person.shows(
        "(Your own address is 198.51.100.7; \"mine\" names it.)\nWho may come without a knock [nobody]: "));
    CHECK(run.person.shows("Second factor (totp, hotp, hmac, none) [totp]: "));
}

TEST_CASE("--yes asks nobody, and options answer") {
    SetupOptions options;
    options.yes = true;
    const Run plain = ask({}, options);
    REQUIRE(plain.done);
    CHECK(plain.person.questions == 0);
    CHECK(text_of(plain.answers.hidden) == "ssh (tcp/22)");
    options.hide = {"ssh", "web=tcp/80,tcp/443"};
    options.allow = {"mine", "203.0.113.0/24"};
    options.user = "bob";
    options.login = "anna";
    options.device = "phone";
    options.factor = "hmac";
    options.port = "4000";
    options.hosts = {"sever.example.net"};
    const Run full = ask({}, options);
    REQUIRE(full.done);
    CHECK(text_of(full.answers.hidden) == "ssh (tcp/22), web (tcp/80 tcp/443)");
    CHECK(full.answers.allow.size() == 2);
    CHECK(full.answers.user == "bob");
    CHECK(full.answers.login == "anna");
    CHECK(full.answers.factor == FactorKind::hmac);
    CHECK(full.answers.port == 4000);
    CHECK(full.person.shows("\"sever.example.net\" leads to no address here; it is taken all the same"));
    options.login = "carol";
    CHECK(ask({}, options).done.error().message == "this host has no login \"carol\"");
    // What has no default is not guessed.
    Surroundings no_ssh = plain_server();
    no_ssh.listeners.clear();
    no_ssh.own.reset();
    SetupOptions yes;
    yes.yes = true;
    const auto none = ask({}, yes, no_ssh).done;
    REQUIRE_FALSE(none);
    CHECK(none.error().message == "Hide these ports: nobody is asked, and there is no default");
    CHECK(none.error().exit == Exit::usage);
}

TEST_CASE("an answer that makes no sense is asked for again") {
    const Run run = ask({"22/tcp", "udp/62201", "tcp/22", "everybody", "", "anna smith", "bob", "", "", "carol", "anna",
                         "sever.example.net", "server.example.net"});
    REQUIRE(run.done);
    CHECK(run.person.questions == 13);
    CHECK(run.person.shows("  \"22/tcp\" is not a port\n  hint: did you mean tcp/22?\nHide these ports [tcp/22]: "));
    CHECK(run.person.shows("udp/62201 is the port of knocks itself"));
    CHECK(run.person.shows("\"everybody\" is not an address or network"));
    CHECK(run.person.shows("\"anna smith\" is not a name for a user"));
    CHECK(run.person.shows("Account by which bob comes by ssh [anna]: "));
    CHECK(run.person.shows("this host has no login \"carol\""));
    CHECK(run.person.shows("\"sever.example.net\" leads to no address here\n  hint: type it again"));
    CHECK(run.answers.hosts == std::vector<std::string>{"server.example.net"});
    // A name that is unknown is taken when it is typed twice.
    const Run twice = ask({"", "", "", "", "", "new.example.net", "new.example.net"});
    REQUIRE(twice.done);
    CHECK(twice.answers.hosts == std::vector<std::string>{"new.example.net"});
}

TEST_CASE("the end of input and Ctrl-C end it at each question") {
    for (std::size_t n = 0; n < 6; ++n) {
        const auto ended = ask(std::deque<std::string>(n, "")).done;
        REQUIRE_FALSE(ended);
        CHECK(ended.error().message == "stopped: the input ended");
        std::deque<std::string> typed(n, "");
        typed.emplace_back("^C");
        const auto interrupted = ask(typed).done;
        REQUIRE_FALSE(interrupted);
        CHECK(interrupted.error().message == "stopped");
    }
}

TEST_CASE("a device that is there is offered, and keeps its factor") {
    const Run run = ask({"", "", "", "", ""}, {}, plain_server(), {"bob", "phone"});
    REQUIRE_FALSE(run.done); // bob has no account, which is one question more
    CHECK(run.person.shows("Who knocks first [bob]: "));
    CHECK(run.person.shows("Their device [phone]: "));
    CHECK_FALSE(run.person.shows("Second factor"));
}

TEST_CASE("a question without a default is asked until it is answered") {
    Surroundings no_ssh = plain_server();
    no_ssh.listeners.clear();
    no_ssh.own.reset();
    const Run run = ask({"", "tcp/22", "", "", "", "", ""}, {}, no_ssh);
    REQUIRE(run.done);
    CHECK(run.person.shows("Hide these ports: \n  Please type an answer"));
}

TEST_CASE("yes and no") {
    Scripted person({"perhaps", "YES", "n", ""});
    CHECK(*ask_yes_no(person, "Write this", false));
    CHECK(person.shows("\"perhaps\" is neither yes nor no"));
    CHECK_FALSE(*ask_yes_no(person, "Write this", true));
    CHECK(*ask_yes_no(person, "Write this", true));
    CHECK_FALSE(ask_yes_no(person, "Write this", true));
}
