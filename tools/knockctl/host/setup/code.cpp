// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/code.h"

#include "daemon/config/secret_file.h"
#include "tools/knockctl/host/users/otpauth.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace xk::tools::setup {
namespace {

constexpr int kTries = 3;
// A clock that was set by hand is off by an hour or by a time zone. Half a day either way are 2880 codes, so a wrong
// code of six digits looks like one of them once in 350 times.
constexpr int kMostSteps = 12 * 60 * 2;
constexpr int kStep = static_cast<int>(kTotpPeriod.count());

std::string digits_of(const std::string& typed) {
    std::string digits;
    for (const char c : typed)
        if (c != ' ' && c != '\t' && c != '-')
            digits += c;
    return digits;
}

CodeFinding examine_totp(const CodeSecret& secret, WallTime now, const std::string& typed) {
    const auto step = totp_step(now);
    const auto is_of = [&](int away) {
        return totp_code(secret.bytes(), step + static_cast<TotpStep>(static_cast<std::int64_t>(away)),
                         secret.digits) == typed;
    };
    // Who begins to type late in a step ends in the next one.
    const auto into_step = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count() % kStep;
    if (is_of(0) || (into_step < kStep / 2 && is_of(-1)))
        return {CodeFinding::right};
    for (int away = 1; away <= kMostSteps; ++away)
        for (const int steps : {away, -away})
            if (is_of(steps))
                return {away == 1 ? CodeFinding::near : CodeFinding::other_time, steps * kStep};
    return {CodeFinding::wrong};
}

std::string time_text(int seconds) {
    seconds = std::abs(seconds);
    return seconds < 120 ? std::to_string(seconds) + " s" : std::to_string(seconds / 60) + " min";
}

} // namespace

Result<CodeSecret> read_code_secret(const config::Config& config, const std::string& user, const std::string& device) {
    const auto& all = config.policy.credentials;
    const auto found = std::ranges::find(all, user + "/" + device, &authz::Credential::label);
    if (found == all.end())
        return Error{"there is no device " + user + "/" + device, "knockctl setup --only device enrols one"};
    CodeSecret code;
    code.kind = found->factor;
    code.digits = found->totp_digits;
    if (!has_codes(code.kind))
        return code;
    const auto files = config::open_secrets(config, static_cast<std::size_t>(found - all.begin()));
    if (!files)
        return files.error();
    if (files->size() < 2 || !config::read_factor_file((*files)[1], code.kind, *code.secret))
        return Error{"the secret of " + user + "/" + device + "'s codes cannot be read", "knockctl check",
                     Exit::configuration};
    return code;
}

CodeFinding examine_code(const CodeSecret& secret, WallTime now, const std::string& typed) {
    const std::string code = digits_of(typed);
    if (!totp_proof(code, secret.digits))
        return {CodeFinding::no_code};
    if (secret.kind == FactorKind::totp)
        return examine_totp(secret, now, code);
    const auto proof = hotp_proof(code, secret.digits);
    return {proof && match_hotp(secret.bytes(), secret.digits, 0, *proof) ? CodeFinding::right : CodeFinding::wrong};
}

std::string text_of(const CodeFinding& finding, unsigned digits) {
    const std::string side = finding.seconds_ahead > 0 ? " ahead" : " behind";
    switch (finding.kind) {
    case CodeFinding::right:
        return "  That is right: phone, secret and clocks fit.";
    case CodeFinding::near:
        return "  That is right, but the clock of the authenticator is about " + time_text(finding.seconds_ahead) +
               side + ": let both hosts set their clocks by the network.";
    case CodeFinding::other_time:
        return "  That code belongs to another time: the clock of the authenticator is about " +
               time_text(finding.seconds_ahead) + side +
               ", or this host's is wrong.\n  hint: set the clock of the phone by the network; here: timedatectl";
    case CodeFinding::no_code:
        return "  A code has " + std::to_string(digits) + " digits: the authenticator shows it.";
    case CodeFinding::wrong:
        break;
    }
    return "  That code is wrong.\n  hint: use the entry that was scanned just now; \"qr\" shows the QR code again";
}

void show_code_secret(Console& console, const CodeSecret& secret, const std::string& user, const std::string& device,
                      const std::string& host, bool no_qr) {
    const WipedText uri = otpauth_uri(secret.kind, {user, device}, host, secret.bytes(), secret.digits);
    console.say("\nFor the authenticator of " + user + ", and for nobody else:");
    if (!no_qr)
        if (const auto qr = QrCode::of(uri))
            console.show(qr->terminal_text(::isatty(STDOUT_FILENO) != 0).view());
    console.show(uri.view());
    console.show("\n");
}

Result<bool> prove_code(Console& console, const CodeSecret& secret, const std::function<void()>& show_again) {
    for (int wrong = 0; wrong < kTries;) {
        const Line line = console.ask("Code that the authenticator shows (\"qr\" shows the QR code, \"skip\"): ");
        if (line.kind != Line::text)
            return stopped(line.kind);
        const std::string typed = digits_of(line.text_of);
        if (typed == "skip")
            return false;
        if (typed == "qr") {
            show_again();
            continue;
        }
        const CodeFinding finding = examine_code(secret, Now::read().wall, typed);
        console.say(text_of(finding, secret.digits));
        if (finding.kind == CodeFinding::right || finding.kind == CodeFinding::near)
            return true;
        if (finding.kind != CodeFinding::no_code || !typed.empty())
            ++wrong;
    }
    return Error{"three codes were wrong: no port was shut",
                 "scan the QR code again and see to the clocks, then: knockctl setup"};
}

} // namespace xk::tools::setup
