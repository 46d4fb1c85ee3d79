// SPDX-License-Identifier: MIT
#include "tools/knockctl/closing.h"

#include "daemon/lifecycle/ssh_caller.h"
#include "tools/knockctl/control.h"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <iostream>

namespace xk::tools {
namespace {

using nlohmann::json;

json json_of(const TcpSession& session) {
    return {{"remote", session.remote.text()},
            {"remote_port", session.remote_port},
            {"local", session.local.text()},
            {"local_port", session.local_port}};
}

} // namespace

json close_request(const std::string& what, bool cut) {
    json request = {{"verb", "close"}, {"what", what}, {"cut", cut}};
    if (const auto caller = ssh_caller(); cut && caller.session)
        request["caller"] = json_of(*caller.session);
    return request;
}

Result<json> panic_request(bool yes) {
    json request = {{"verb", "panic"}};
    const SshCaller caller = ssh_caller();
    if (caller.session)
        request["caller"] = json_of(*caller.session);
    if (caller.session || !caller.client || yes)
        return request;
    // For example in a terminal multiplexer that was started in a session that has ended.
    const std::string what =
        "you came by ssh from " + caller.client->text() +
        ", but which session is yours now cannot be told: it ends too unless gate.allow holds its address";
    if (::isatty(STDIN_FILENO) == 0)
        return Error{what, "be sure: --yes", Exit::usage};
    std::cerr << "knockctl: " << what << ".\nGo on? [y/N] " << std::flush;
    std::string answer;
    if (!std::getline(std::cin, answer) || (answer != "y" && answer != "yes"))
        return Error{"nothing was closed", {}, Exit::failed};
    return request;
}

std::string show_closed(const json& reply) {
    std::string text = "closed " + counted(reply.value("closed", 0u), "grant");
    if (reply.contains("ended"))
        text += " and ended " + counted(reply.value("ended", 0u), "session");
    if (const unsigned shared = reply.value("shared", 0u); shared > 0)
        text += "; those at " + counted(shared, "grant") + " may be somebody else's and live on";
    return text + "\n";
}

std::string show_panic(const json& reply) {
    return "closed " + counted(reply.value("closed", 0u), "grant") + " and ended " +
           counted(reply.value("ended", 0u), "session") + "; nobody is let in until \"knockctl panic --over\"" +
           (reply.value("outlives_restart", true)
                ? "\n"
                : ", or until xknockd ends: this panic could not be written to the disk\n");
}

std::string show_panic_over(const json& reply) {
    return reply.value("over", false) ? "the panic is over: knocks are let in again\n" : "there was no panic\n";
}

} // namespace xk::tools
