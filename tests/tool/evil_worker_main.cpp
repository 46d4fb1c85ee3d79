// SPDX-License-Identifier: MIT
//
// A worker that was taken over: begins as the real one does, and then asks xknockd for what it must not get. What to do
// is in $XK_EVIL; what it was answered goes to standard error, a line each: "evil: WHAT: ANSWER".
#include "daemon/privsep/messages.h"
#include "daemon/privsep/policy_file.h"
#include "daemon/privsep/spawn.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

using namespace xk;
using namespace xk::privsep;

namespace {

constexpr const char* kAnswers[] = {"done", "waiting", "banned", "own-address", "limit", "refused", "failed"};

class Evil {
  public:
    void serve() {
        for (;;) {
            auto received = channel_.receive(true);
            if (!received || !*received)
                return;
            handle(**received);
        }
    }

  private:
    void handle(Received& r) {
        if (as<Setup>(r)) {
            Ready ready;
            ready.begin = is("begin") ? 77 : kResumed;
            (void)send(channel_, ready);
        } else if (const auto policy = as<NewPolicy>(r)) {
            generation_ = policy->generation;
            auto change = read_policy_file(*policy, r.fds[0]);
            if (!change)
                std::abort();
            authz::apply(*change, policy_);
            attack_early();
            read_secrets(is("all-read") ? policy->changed : 0);
        } else if (const auto secrets = as<Secrets>(r)) {
            read_secrets(secrets->first + secrets->count);
        } else if (as<Activate>(r)) {
            publish(0, 0);
        } else if (const auto ping = as<Ping>(r)) {
            pong(ping->number);
            if (std::exchange(began_, true) == false)
                attack(std::getenv("XK_EVIL"));
        }
    }

    static bool is(const std::string& how) { return how == std::getenv("XK_EVIL"); }

    void read_secrets(std::uint32_t next) {
        SecretsRead read;
        read.generation = generation_;
        read.next = next;
        (void)send(channel_, read);
    }

    // What only a worker that judges may say.
    void attack_early() {
        if (is("early-tags"))
            publish(0, 0);
        else if (is("early-request"))
            (void)send(channel_, request_grant(GrantVerb::open, device("anna/robot").id, {}));
        else if (is("early-notice"))
            (void)send(channel_, notice(NoticeKind::clock_wrong));
    }

    static Notice notice(NoticeKind kind) {
        Notice notice;
        notice.kind = static_cast<std::uint32_t>(kind);
        return notice;
    }

    void publish(std::uint32_t count, std::uint32_t place, TagScope scope = TagScope::all) {
        auto tags = std::make_unique<Tags>();
        tags->first = tags->last = 1;
        tags->generation = generation_;
        tags->scope = static_cast<std::uint32_t>(scope);
        tags->count = count;
        tags->tags[0].place = place;
        (void)send(channel_, *tags);
    }

    const authz::Credential& device(const std::string& label) const {
        for (const authz::Credential& c : policy_.credentials)
            if (c.label() == label)
                return c;
        std::abort();
    }

    void ask(const char* what, GrantVerb verb, const wire::CredentialId& credential,
             const authz::GrantRequest& request) {
        RequestGrant message = request_grant(verb, credential, request);
        message.sequence = ++sequence_;
        message.generation = claimed_generation_;
        (void)send(channel_, message);
        for (;;) {
            auto received = channel_.receive(true);
            if (!received || !*received)
                std::exit(0);
            if (const auto answer = as<ReplyGrant>(**received); answer && answer->sequence == sequence_) {
                std::fprintf(stderr, "evil: %s: %s\n", what, kAnswers[static_cast<int>(answer->answer)]);
                return;
            }
        }
    }

    void open(const char* what, const std::string& label, const char* address, const char* endpoint,
              std::uint32_t lifetime = 0) {
        authz::GrantRequest request;
        request.address = Address::parse(address).value();
        request.endpoint = Endpoint::parse(endpoint).value();
        request.lifetime = lifetime;
        ask(what, GrantVerb::open, device(label).id, request);
    }

    // Everything again and again, by a process that does nothing else, so that xknockd never finds the channel empty.
    void busy() {
        const int size = 1 << 20; // some thousands of them
        (void)::setsockopt(channel_.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
        authz::GrantRequest request;
        request.address = Address::v4(203, 0, 113, 1);
        request.service = service_id(kAllServices);
        const RequestGrant message = request_grant(GrantVerb::open, device("anna/robot").id, request);
        if (::fork() == 0) {
            flood(message);
            ::_exit(0);
        }
    }

    void pong(std::uint32_t number) {
        Pong pong;
        pong.number = number;
        (void)send(channel_, pong);
    }

    // Without an end, until xknockd has enough.
    template <typename M>
    void flood(const M& message) {
        while (send(channel_, message))
            ;
    }

    void attack(const std::string& how) {
        if (how == "busy")
            return busy();
        if (how == "notices") {
            Notice locked = notice(NoticeKind::locked_for_good);
            locked.credential = device("anna/robot").id;
            return flood(locked);
        }
        if (how == "messages") { // that cost next to nothing: publications of no tag
            auto tags = std::make_unique<Tags>();
            tags->generation = generation_;
            return flood(*tags);
        }
        if (how == "late-ready")
            return void(send(channel_, Ready{}));
        if (how == "report")
            return void(send(channel_, SecretsRead{}));
        if (how == "horizon")
            return void(send(channel_, HorizonRaised{}));
        if (how == "xknockds-own")
            return void(send(channel_, Activate{}));
        if (how == "changed")
            return publish(1, 0, TagScope::changed);
        if (how == "scope")
            return publish(0, 0, static_cast<TagScope>(9));
        if (how == "other-generation") {
            generation_ += 7;
            return publish(0, 0);
        }
        if (how == "outcomes") {
            Outcome outcome;
            outcome.kind = static_cast<std::uint32_t>(OutcomeKind::refused);
            outcome.totp_step = -1;
            return flood(outcome);
        }
        if (how == "suppressed") {
            Suppressed suppressed;
            suppressed.refused = 1;
            return flood(suppressed);
        }
        if (how == "outcome") // of no kind
            return void(send(channel_, Outcome{}));
        if (how == "nothing-suppressed")
            return void(send(channel_, Suppressed{}));
        if (how == "pong")
            return pong(1000);
        if (how == "notice")
            return void(send(channel_, notice(static_cast<NoticeKind>(9))));
        if (how == "bool" || how == "protocol") {
            RequestGrant message = request_grant(GrantVerb::open, device("anna/robot").id, {});
            (how == "bool" ? message.single_use : message.protocol) = 2;
            return void(send(channel_, message));
        }
        if (how == "many-tags")
            return publish(kTagsInMessage + 1, 0);
        if (how == "tag-of-nobody")
            return publish(1, 1'000'000);
        if (how == "short")
            return void(channel_.send(Bytes<3>{}));
        if (how == "unknown")
            return void(channel_.send(Bytes<64>{77}));
        if (how == "descriptors") {
            const int fd = STDERR_FILENO;
            return void(send(channel_, Pong{}, {&fd, 1}));
        }
        if (how == "verb") {
            RequestGrant message;
            message.verb = 9;
            return void(send(channel_, message));
        }
        open("a port of no service", "anna/robot", "192.0.2.2", "tcp/8022");
        open("a service of somebody else", "bob/phone", "192.0.2.2", "tcp/80");
        claimed_generation_ = generation_ + 1; // as if it were a reload's doing
        open("of another configuration", "bob/phone", "192.0.2.3", "tcp/80");
        claimed_generation_ = generation_;
        open("a user who is disabled", "eve/pc", "192.0.2.2", "tcp/22");
        // Rights that an honest worker would have looked at.
        open("outside of the hours", "hal/pc", "192.0.2.2", "tcp/22");
        open("before the first day", "fay/pc", "192.0.2.2", "tcp/22");
        open("after the last day", "pat/pc", "192.0.2.2", "tcp/22");
        open("outside of the networks", "ned/pc", "192.0.2.2", "tcp/22");
        open("for whom it may not", "del/pc", "192.0.2.2", "tcp/22");
        ask("a credential of nobody", GrantVerb::open, {0xff},
            {0, Address::v4(192, 0, 2, 2), 0, {}, Endpoint::parse("tcp/22").value(), false, 0});
        ask("the operator's own", GrantVerb::open, authz::kOperator,
            {0, Address::v4(192, 0, 2, 2), 0, {}, Endpoint::parse("tcp/22").value(), false, 0});
        open("an address of this host", "anna/robot", "192.0.2.1", "tcp/22");
        open("an address that is banned", "anna/robot", "203.0.113.9", "tcp/22");
        for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1"})
            open(address, "anna/robot", address, "tcp/22");
        ask("close all of nobody", GrantVerb::close_all, {0xff}, {});
        open("for a year", "anna/robot", "203.0.113.1", "tcp/22", 365 * 86400);
        for (int i = 2; i < 80; ++i)
            open(i < 65 ? "one of 64" : "one more", "anna/robot", ("203.0.113." + std::to_string(i + 10)).c_str(),
                 "tcp/22");
        std::fprintf(stderr, "evil: the end\n");
    }

    Channel channel_{Fd(kWorkerChannel)};
    authz::Policy policy_; // credentials by place
    std::uint32_t claimed_generation_ = 0;
    std::uint32_t generation_ = 0, sequence_ = 0;
    bool began_ = false;
};

} // namespace

int main() { Evil().serve(); }
