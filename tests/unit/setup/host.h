// SPDX-License-Identifier: MIT
//
// A host for the tests of the set-up, and a person whose answers are known.
#pragma once

#include "tools/knockctl/host/setup/console.h"
#include "tools/knockctl/host/setup/questions.h"

#include <deque>

namespace xk::tools::setup::test {

inline Listener listener(const std::string& endpoint, const std::string& program) {
    return {*Endpoint::parse(endpoint), Address{}, true, program};
}

// A plain server: one interface, sshd and nginx, and the caller came by ssh.
inline Surroundings plain_server() {
    Surroundings around;
    around.interfaces = {{.name = "eth0",
                          .up = true,
                          .default_route = true,
                          .kind = Interface::ordinary,
                          .addresses = {*Address::parse("203.0.113.5"), *Address::parse("2001:db8::5")},
                          .below = {}}};
    around.listeners = {listener("tcp/22", "sshd"), listener("tcp/80", "nginx"), listener("tcp/443", "nginx"),
                        listener("tcp/5432", ""), listener("udp/51820", "")};
    around.own = TcpSession{*Address::parse("198.51.100.7"), 40000, *Address::parse("203.0.113.5"), 22};
    around.caller = around.own->remote;
    around.sessions = {*around.own};
    around.clock_synchronised = true;
    around.person = around.login = "anna";
    return around;
}

inline HostFacts facts() {
    return {.resolves = [](const std::string& name) { return name == "server.example.net"; },
            .is_login =
                [](const std::string& login) {
                    return login == "anna" ? Result<void>()
                                           : Result<void>(Error{"this host has no login \"" + login + "\"", "hint"});
                }};
}

// Answers in their order; after the last one the input has ended. `said` is everything that a terminal would show.
class Scripted : public Console {
  public:
    explicit Scripted(std::deque<std::string> answers) : answers_(std::move(answers)) {}
    void say(const std::string& text) override { said += text + "\n"; }
    void show(std::string_view text) override { said += text; }
    Line ask(const std::string& question) override {
        said += question + "\n";
        ++questions;
        if (answers_.empty())
            return {Line::ended};
        Line line{Line::text, answers_.front()};
        answers_.pop_front();
        if (line.text_of == "^C")
            return {Line::interrupted};
        return line;
    }
    std::optional<Line> wait_for_line(std::chrono::milliseconds) override { return std::nullopt; }
    bool was_interrupted() const override { return false; }
    bool shows(const std::string& text) const { return said.find(text) != std::string::npos; }

    std::string said;
    int questions = 0;

  private:
    std::deque<std::string> answers_;
};

} // namespace xk::tools::setup::test
