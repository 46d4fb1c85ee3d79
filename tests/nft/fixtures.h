// SPDX-License-Identifier: MIT
//
// A network namespace of the test's own, nft(8) in it, and rulesets to begin with.
#pragma once

#include "daemon/nft/ruleset.h"

#include <functional>
#include <string>

namespace xk::test {

// nft(8) in the test's namespace: what it printed, both streams. It must succeed unless `code` is given.
std::string run_nft(const std::string& arguments, int* code = nullptr);
// A command of the shell that must succeed.
void run_command(const std::string& command);

// The test is in this namespace from then on. Needs root.
void enter_new_namespace();
nft::Socket socket_in_new_namespace();

// An error as one text.
template <typename T>
std::string text_of(const Result<T>& result) {
    return result ? "fine" : result.error().message + " (" + result.error().hint + ")";
}

inline Address address(const char* text) { return Address::parse(text).value(); }
inline Endpoint endpoint(const char* text) { return Endpoint::parse(text).value(); }

// Runs `act` in a child that has no rights over this network namespace, and returns what it returned: an error's
// message and hint, say.
std::string run_without_rights(const std::function<std::string()>& act);

nft::ProtectedPort protected_port(const char* ports);
// tcp/22 of these hosts behind this one.
nft::ProtectedPort behind_port(const char* ports, const char* target4, const char* target6);

// Two ports of this host, two allowed networks, a knock port.
nft::RulesetSpec plain_spec();
// Everything that a configuration can ask of a ruleset.
nft::RulesetSpec full_spec();

void commit(nft::Socket& socket, nft::Transaction&& transaction);
void install(nft::Socket& socket, const nft::RulesetSpec& spec);

} // namespace xk::test
