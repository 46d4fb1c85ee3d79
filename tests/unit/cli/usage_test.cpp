// SPDX-License-Identifier: MIT
//
// Command lines that somebody mistyped: each gets a message of its own and the next step.
#include "protocol/cli/usage.h"

#include <CLI/CLI.hpp>
#include <doctest/doctest.h>

using namespace xk;

namespace {

// "message (hint)" for a command line; "fine" where it is one.
std::string usage_of(const std::string& words) {
    CLI::App app("a program", "prog");
    std::string socket, address;
    bool as_json = false;
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--socket", socket);
    CLI::App* const ban = app.add_subcommand("ban", "bans");
    ban->add_option("address", address)->required();
    ban->add_flag("--json", as_json);
    app.add_subcommand("status", "shows");
    CLI::App* const clock = app.add_subcommand("clock", "the clock");
    clock->require_subcommand(1);
    clock->add_subcommand("accept", "accepts");
    try {
        app.parse(words);
    } catch (const CLI::ParseError& fault) {
        const Error error = usage_error(app, fault);
        CHECK(error.exit == Exit::usage);
        return error.message + " (" + error.hint + ")";
    }
    return "fine";
}

} // namespace

TEST_CASE("global options stand on either side of a verb") {
    for (const char* words : {"--socket x status", "status --socket x", "clock accept --socket=x",
                              "clock --socket x accept", "ban --json 192.0.2.1 --socket x"})
        CHECK_MESSAGE(usage_of(words) == "fine", words);
}

TEST_CASE("verbs") {
    CHECK(usage_of("stauts") == "\"prog\" has no verb \"stauts\" (did you mean \"status\"?)");
    CHECK(usage_of("frobnicate") == "\"prog\" has no verb \"frobnicate\" (prog --help)");
    CHECK(usage_of("clock acept") == "\"prog clock\" has no verb \"acept\" (did you mean \"accept\"?)");
    CHECK(usage_of("") == "a verb is missing behind \"prog\" (prog --help)");
    CHECK(usage_of("clock") == "a verb is missing behind \"prog clock\" (prog clock --help)");
    CHECK(usage_of("'a\nb'") == "\"prog\" has no verb \"a\\x0ab\" (prog --help)");
}

TEST_CASE("options and words") {
    CHECK(usage_of("ban --jsn 192.0.2.1") == "\"prog ban\" has no option \"--jsn\" (did you mean \"--json\"?)");
    CHECK(usage_of("status --sokcet=x") == "\"prog status\" has no option \"--sokcet\" (did you mean \"--socket\"?)");
    CHECK(usage_of("ban 192.0.2.1 192.0.2.2") == "\"192.0.2.2\" is one word too many (prog ban --help)");
    CHECK(usage_of("ban") == "address is required (prog ban --help)");
    CHECK(usage_of("status --socket") == "--socket: 1 required TEXT missing (prog status --help)");
}
