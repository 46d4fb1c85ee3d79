// SPDX-License-Identifier: MIT
#include "daemon/grants/owners.h"

#include "daemon/log.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"
#include "protocol/encoding.h"

#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace xk {
namespace {

constexpr std::string_view kHead = "xknock-owners 1";
constexpr std::chrono::seconds kLookSoon{10};
constexpr std::chrono::minutes kNowAndThen{5};

// The longest file that save() writes: a head, and lines with two addresses, an endpoint, a port and the holders. One
// character follows each of them.
constexpr std::size_t kLongestAddress = INET6_ADDRSTRLEN - 1;
constexpr std::size_t kLongestLine = 2 * (kLongestAddress + 1) + std::string_view("sctp/65535 65535 ").size() +
                                     Owners::kMostHolders * (2 * wire::kCredentialIdSize + 1);
constexpr std::size_t kLongestFile = kHead.size() + 1 + Owners::kMost * kLongestLine;

// Parses a line. It has the source, the target (or "-"), the first port, the last port and the holders, for example
// "192.0.2.2 - tcp/22 22 09fb12032675128c,4f1284433a8c1eef".
bool parse(const std::string& line, authz::Pinhole& pinhole, Owners::Record& record) {
    std::istringstream words(line);
    std::string address, target, endpoint, last, holders, more;
    words >> address >> target >> endpoint >> last >> holders;
    const auto source = Address::parse(address);
    const auto port = Endpoint::parse(endpoint);
    if (!source || !port || holders.empty() || words >> more)
        return false;
    pinhole = {*source, {}, *port};
    if (target != "-") {
        const auto behind = Address::parse(target);
        if (!behind)
            return false;
        pinhole.target = *behind;
    }
    const auto [rest, code] = std::from_chars(last.data(), last.data() + last.size(), record.last_port);
    if (code != std::errc{} || rest != last.data() + last.size() || record.last_port < port->port)
        return false;
    std::istringstream ids(holders);
    for (std::string id; std::getline(ids, id, ',');) {
        const auto credential = from_hex<wire::kCredentialIdSize>(id);
        if (!credential || record.holders.size() == Owners::kMostHolders)
            return false;
        record.holders.insert(*credential);
    }
    return true;
}

} // namespace

bool Owners::Record::is_of(const authz::Pinhole& pinhole, const authz::Pinhole& at) const {
    return pinhole.address == at.address && pinhole.target == at.target &&
           pinhole.endpoint.protocol == at.endpoint.protocol && at.endpoint.port >= pinhole.endpoint.port &&
           at.endpoint.port <= last_port;
}

Result<void> Owners::read(const std::string& directory, uid_t owner) {
    file_ = file_in(directory);
    if (::access(file_.c_str(), F_OK) != 0 && errno == ENOENT)
        return {};
    FileRules rules;
    rules.owner = owner;
    rules.max_size = kLongestFile;
    const auto content = read_checked(file_, rules);
    if (!content)
        return content.error();
    std::istringstream lines(*content);
    std::string line;
    std::map<authz::Pinhole, Record> records;
    bool good = std::getline(lines, line) && line == kHead;
    while (good && std::getline(lines, line)) {
        authz::Pinhole pinhole;
        Record record;
        good = parse(line, pinhole, record) && records.size() < kMost;
        records[pinhole] = record;
    }
    if (!good)
        return Error{in_quotes(file_) + " is damaged: it is not known by whose grants the present sessions came", {}};
    records_ = std::move(records);
    was_read_ = true;
    return {};
}

Result<void> Owners::save() {
    if (!changed_ || file_.empty())
        return {};
    std::string content = std::string(kHead) + "\n";
    for (const auto& [pinhole, record] : records_) {
        content += pinhole.address.text() + " " + (pinhole.is_local() ? "-" : pinhole.target.text()) + " " +
                   pinhole.endpoint.text() + " " + std::to_string(record.last_port) + " ";
        const char* comma = "";
        for (const wire::CredentialId& id : record.holders)
            content += std::exchange(comma, ",") + to_hex(id);
        content += "\n";
    }
    auto done = write_file(file_, content, 0600, true, {}, false);
    changed_ = !done; // a failed write is tried again on the next tick
    return done;
}

void Owners::on_pinhole_began(const authz::GrantBook::Began& began) {
    const auto known = records_.find(began.pinhole);
    if (known == records_.end() && records_.size() >= kMost) {
        if (!std::exchange(full_, true))
            log::warn("sessions of more than {} grants: those of further ones do not end with their user", kMost);
        return;
    }
    Record& record = records_[began.pinhole];
    record.last_port = grants_.ports_of(began.pinhole).last;
    if (record.holders.size() == kMostHolders || !record.holders.insert(began.credential).second)
        return;
    changed_ = true;
    shared_ = shared_ || record.holders.size() > 1;
}

bool Owners::is_held(const authz::Pinhole& pinhole, const wire::CredentialId& id) const {
    const auto held = grants_.book().all().find(pinhole);
    return held != grants_.book().all().end() &&
           std::ranges::any_of(held->second, [&](const authz::Holder& h) { return h.credential == id; });
}

bool Owners::wants_look(BootTime now) const {
    if (records_.empty())
        return false;
    return now - last_look_ >= (shared_ || full_ ? std::chrono::nanoseconds(kLookSoon) : kNowAndThen);
}

void Owners::prune(const std::set<authz::Pinhole>& alive, BootTime now) {
    last_look_ = now;
    shared_ = full_ = false;
    for (auto at = records_.begin(); at != records_.end();) {
        const authz::Pinhole& pinhole = at->first;
        auto& holders = at->second.holders;
        if (!alive.contains(pinhole))
            changed_ = std::erase_if(holders, [&](const auto& id) { return !is_held(pinhole, id); }) > 0 || changed_;
        at = holders.empty() ? records_.erase(at) : std::next(at);
    }
}

void Owners::forget(const authz::Pinhole& pinhole, const std::set<wire::CredentialId>& holders) {
    const auto known = records_.find(pinhole);
    if (known == records_.end())
        return;
    for (const wire::CredentialId& id : holders)
        changed_ = known->second.holders.erase(id) > 0 || changed_;
    if (known->second.holders.empty())
        records_.erase(known);
}

} // namespace xk
