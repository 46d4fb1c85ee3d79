// SPDX-License-Identifier: MIT
#include "tests/nft/fixtures.h"

#include "protocol/base/fd.h"

#include <doctest/doctest.h>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace xk::test {

std::string run_nft(const std::string& arguments, int* code) {
    std::string out;
    FILE* pipe = ::popen(("exec 2>&1; nft " + arguments).c_str(), "r");
    REQUIRE(pipe != nullptr);
    char buffer[4096];
    while (std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe))
        out.append(buffer, n);
    const int status = ::pclose(pipe);
    if (code)
        *code = status;
    else
        CHECK_MESSAGE(status == 0, out);
    return out;
}

void run_command(const std::string& command) { REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command); }

void enter_new_namespace() { REQUIRE_MESSAGE(::unshare(CLONE_NEWNET) == 0, "needs root"); }

nft::Socket socket_in_new_namespace() {
    enter_new_namespace();
    auto socket = nft::Socket::open_nf_tables();
    REQUIRE_MESSAGE(socket.has_value(), socket.error().message);
    return *std::move(socket);
}

std::string run_without_rights(const std::function<std::string()>& act) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const Fd in(ends[0]);
    Fd out(ends[1]);
    const pid_t pid = ::fork();
    if (pid == 0) {
        // Another user namespace owns the rights over this network namespace.
        const std::string said = ::unshare(CLONE_NEWUSER) == 0 ? act() : "no namespace";
        ::_exit(::write(out.get(), said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
    }
    out.reset();
    std::string said;
    char buffer[1024];
    for (ssize_t n = 0; (n = ::read(in.get(), buffer, sizeof buffer)) > 0;)
        said.append(buffer, static_cast<std::size_t>(n));
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(status == 0);
    return said;
}

nft::ProtectedPort protected_port(const char* ports) {
    nft::ProtectedPort port;
    port.ports = PortRange::parse(ports).value();
    return port;
}

nft::ProtectedPort behind_port(const char* ports, const char* target4, const char* target6) {
    nft::ProtectedPort port = protected_port(ports);
    port.target4 = address(target4);
    port.target6 = address(target6);
    return port;
}

nft::RulesetSpec plain_spec() {
    nft::RulesetSpec spec;
    spec.protected_ports = {protected_port("tcp/22"), protected_port("udp/51820")};
    spec.allow = {Prefix::parse("198.51.100.0/25").value(), Prefix::parse("2001:db8:a::/47").value()};
    spec.silent_ports = {62201};
    spec.resets = true;
    return spec;
}

nft::RulesetSpec full_spec() {
    nft::RulesetSpec spec = plain_spec();
    spec.protected_ports[0].cut = spec.protected_ports[1].cut = true; // a rule in prerouting for UDP only
    spec.protected_ports[0].max_connections = 3;
    spec.protected_ports.push_back(protected_port("tcp/6000-6100"));
    spec.protected_ports.push_back(protected_port("udp/7000-7001"));
    nft::ProtectedPort behind = behind_port("tcp/22", "198.51.100.7", "2001:db8:7::7");
    behind.max_connections = 2;
    spec.protected_ports.push_back(behind);
    nft::ProtectedPort cut = behind_port("udp/22", "198.51.100.7", "2001:db8:7::7");
    cut.cut = true;
    spec.protected_ports.push_back(cut);
    nft::ProtectedPort published = protected_port("tcp/2222");
    published.to4 = behind.target4;
    published.to6 = behind.target6;
    published.to_port = 22;
    spec.protected_ports.push_back(published);
    return spec;
}

void commit(nft::Socket& socket, nft::Transaction&& transaction) {
    const auto done = socket.commit(std::move(transaction));
    REQUIRE_MESSAGE(done.has_value(), done.error().message);
}

void install(nft::Socket& socket, const nft::RulesetSpec& spec) {
    const auto done = install_ruleset(socket, spec);
    REQUIRE_MESSAGE(done.has_value(), done.error().message);
}

} // namespace xk::test
