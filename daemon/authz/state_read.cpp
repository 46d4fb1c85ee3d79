// SPDX-License-Identifier: MIT
#include "daemon/authz/state_read.h"

#include "daemon/authz/state_before.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>

namespace xk::authz {
namespace {

// Whole records of plain data. The bytes need not be aligned.
template <typename T>
std::vector<T> records_in(ByteView bytes) {
    std::vector<T> records(bytes.size() / sizeof(T));
    if (!records.empty())
        std::memcpy(static_cast<void*>(records.data()), bytes.data(), records.size() * sizeof(T));
    return records;
}

template <typename T>
T first_record(ByteView bytes) {
    T record{};
    std::memcpy(static_cast<void*>(&record), bytes.data(), sizeof record);
    return record;
}

// Drops the credentials behind the first free record, the knocks that are not remembered, and what no worker can have
// written.
void drop_free(StateContents& contents) {
    const auto is_free = [](const CredentialState& c) { return all_zero(c.id); };
    contents.credentials.erase(std::ranges::find_if(contents.credentials, is_free), contents.credentials.end());
    contents.hellos.erase(std::ranges::find_if(contents.hellos, [](const auto& h) { return all_zero(h.id); }),
                          contents.hellos.end());
    std::erase_if(contents.asked, [](const Asked& a) { return !is_sound(a); });
    std::erase_if(contents.pending, [](const PendingUse& p) { return !is_sound(p); });
    std::erase_if(contents.replay,
                  [](const ReplayEntry& e) { return e.progress == Progress::none || e.progress > Progress::done; });
}

StateHeader header_of(const before::Header& from) {
    StateHeader h{};
    h.hash_key = from.hash_key;
    h.high_slot = from.high_slot;
    h.horizon = from.horizon;
    h.horizon_boot = from.horizon_boot;
    h.saved_boot = from.saved_boot;
    h.clean = from.clean;
    h.attempts = from.attempts;
    h.attempt = from.attempt;
    h.rejects = from.rejects;
    h.accepted = from.accepted;
    h.retries = from.retries;
    h.refused_until = from.refused_until;
    h.wall_of_boot = from.wall_of_boot;
    return h;
}

CredentialState credential_of(const before::Credential& from) {
    CredentialState c{};
    c.id = from.id;
    c.code_step = from.totp_step;
    c.request = from.request;
    c.address = {from.address};
    c.locked_until = from.locked_until;
    c.last_accepted = from.last_accepted;
    c.last_address = {from.last_address};
    c.failures = from.failures;
    c.accepted = from.accepted;
    c.wrong_code = from.wrong_code;
    c.wrong_until = from.wrong_until;
    return c;
}

Asked asked_of(const before::Asked& from) {
    Asked a{};
    a.request.credential = from.credential_index;
    a.request.address = {from.address};
    a.request.service = from.service;
    a.request.target = {from.target};
    a.request.endpoint = {static_cast<IpProtocol>(from.protocol), from.port};
    a.request.single_use = from.single_use != 0;
    a.request.lifetime = from.lifetime;
    a.credential = from.credential;
    a.id = from.id;
    a.arrived = from.arrived;
    a.live = from.live;
    return a;
}

ReplayEntry replay_of(const before::Replay& from) {
    ReplayEntry e{};
    e.knock = {from.credential, from.request, from.mac};
    e.slot = from.slot;
    e.address = {from.address};
    e.progress = static_cast<Progress>(from.progress);
    return e;
}

template <typename From, typename To>
std::vector<To> converted(ByteView bytes, To (*convert)(const From&)) {
    std::vector<To> to;
    std::ranges::transform(records_in<From>(bytes), std::back_inserter(to), convert);
    return to;
}

ByteView bytes_of(ByteView file, const Section& section) { return file.subspan(section.offset, section.length); }

bool has_checksums(ByteView file, const StateDirectory& directory) {
    return std::all_of(directory.section.begin(), directory.section.begin() + directory.sections,
                       [&](const Section& s) { return s.checksum == checksum_of(bytes_of(file, s)); });
}

// The directory must have been checked.
void read_sections(ByteView file, const StateDirectory& directory, StateContents& contents) {
    contents.boot_id = directory.boot_id;
    const auto bytes = [&](SectionType type) {
        const Section* const section = find_section(directory, type);
        return section == nullptr ? ByteView() : bytes_of(file, *section);
    };
    contents.header = first_record<StateHeader>(bytes(SectionType::judgement));
    contents.credentials = records_in<CredentialState>(bytes(SectionType::credentials));
    contents.replay = records_in<ReplayEntry>(bytes(SectionType::replay));
    contents.replay_entries = contents.replay.size();
    if (find_section(directory, SectionType::hellos) != nullptr)
        contents.hellos = records_in<HelloState>(bytes(SectionType::hellos));
    // Version 1 is the record of the previous release. Its bool is read as a byte, which may have any value.
    static_assert(sizeof(before::Asked) == sizeof(Asked) && offsetof(before::Asked, live) == offsetof(Asked, live));
    contents.asked = converted(bytes(SectionType::asked), asked_of);
    contents.pending = records_in<PendingUse>(bytes(SectionType::pending));
}

StateFit read_copy_before(ByteView bytes, StateContents& contents) {
    constexpr std::size_t kCounts = 2 * sizeof(std::uint64_t), kSum = 32;
    if (bytes.size() < sizeof(before::Header) + kCounts + kSum)
        return StateFit::damaged;
    const ByteView sum = bytes.last(kSum);
    bytes = bytes.first(bytes.size() - kSum);
    if (!std::ranges::equal(checksum_of(bytes), sum))
        return StateFit::damaged;
    const auto header = first_record<before::Header>(bytes);
    const auto counts = records_in<std::uint64_t>(bytes.subspan(sizeof header, kCounts));
    bytes = bytes.subspan(sizeof header + kCounts);
    if (counts[0] > before::kCredentials || counts[1] > kMostReplayEntries ||
        bytes.size() != counts[0] * sizeof(before::Credential) + counts[1] * sizeof(before::Replay))
        return StateFit::damaged;
    const std::size_t credentials = counts[0] * sizeof(before::Credential);
    contents.boot_id = header.boot_id;
    contents.header = header_of(header);
    contents.credentials = converted(bytes.first(credentials), credential_of);
    contents.replay = converted(bytes.subspan(credentials), replay_of);
    return StateFit::whole;
}

// Returns 0 if no worker of that release makes files of this size.
std::uint64_t entries_before(std::uint64_t size) {
    if (size <= sizeof(before::Image) || (size - sizeof(before::Image)) % sizeof(before::Replay) != 0)
        return 0;
    const std::uint64_t entries = (size - sizeof(before::Image)) / sizeof(before::Replay);
    return entries <= kMostReplayEntries ? entries : 0;
}

void read_memory_before(ByteView bytes, StateContents& contents) {
    const auto cut = [&](std::size_t size) {
        const ByteView part = bytes.first(size);
        bytes = bytes.subspan(size);
        return part;
    };
    const auto header = first_record<before::Header>(cut(sizeof(before::Header)));
    contents.boot_id = header.boot_id;
    contents.header = header_of(header);
    contents.credentials = converted(cut(sizeof before::Image::credentials), credential_of);
    contents.asked = converted(cut(sizeof before::Image::asked), asked_of);
    contents.replay = converted(bytes, replay_of);
    contents.replay_entries = contents.replay.size();
}

constexpr std::size_t kMagicAndBoot = 24;

} // namespace

StateFit read_copy(ByteView bytes, StateContents& contents) {
    contents = {};
    if (bytes.empty())
        return StateFit::empty;
    if (bytes.size() < kMagicAndBoot)
        return StateFit::damaged;
    const auto magic = first_record<std::uint64_t>(bytes);
    StateFit fit = fit_of_magic(magic);
    if (fit != StateFit::whole)
        return fit == StateFit::empty ? StateFit::damaged : fit; // only a power cut leaves half of a copy
    if (magic == kMagicBefore) {
        fit = read_copy_before(bytes, contents);
    } else if (bytes.size() < sizeof(StateDirectory)) {
        return StateFit::damaged;
    } else {
        const auto directory = first_record<StateDirectory>(bytes);
        fit = check_directory(directory, bytes.size(), false);
        if (fit == StateFit::whole && !has_checksums(bytes, directory))
            fit = StateFit::damaged;
        if (fit == StateFit::whole)
            read_sections(bytes, directory, contents);
    }
    drop_free(contents);
    return fit;
}

MemoryFit look_at_memory(ByteView first, std::uint64_t size, const Bytes<16>& boot_id) {
    if (size == 0)
        return {StateFit::empty, false, 0};
    if (first.size() < kMagicAndBoot)
        return {StateFit::damaged, false, 0};
    const auto magic = first_record<std::uint64_t>(first);
    const StateFit fit = fit_of_magic(magic);
    // With a first word that is not ours, nothing can be said about the rest.
    if (fit == StateFit::empty || fit == StateFit::damaged)
        return {fit, false, 0};
    const bool of_boot = first_record<Bytes<16>>(first.subspan(sizeof magic)) == boot_id;
    if (fit != StateFit::whole)
        return {of_boot ? fit : StateFit::other_boot, false, 0};
    if (magic == kMagicBefore) {
        if (!of_boot)
            return {StateFit::other_boot, false, 0};
        const std::uint64_t entries = entries_before(size);
        return {entries == 0 ? StateFit::damaged : StateFit::whole, false, entries};
    }
    if (first.size() < sizeof(StateDirectory))
        return {StateFit::damaged, false, 0};
    const auto directory = first_record<StateDirectory>(first);
    if (!of_boot && is_sealed(directory))
        return {StateFit::other_boot, false, 0};
    const StateFit checked = check_directory(directory, size, true);
    if (checked != StateFit::whole)
        return {checked, false, 0};
    const std::uint64_t entries = find_section(directory, SectionType::replay)->length / sizeof(ReplayEntry);
    const StateDirectory ours = directory_of(entries, boot_id);
    return {StateFit::whole, std::memcmp(&ours, &directory, sizeof ours) == 0, entries};
}

StateFit read_memory(ByteView bytes, const Bytes<16>& boot_id, StateContents& contents) {
    contents = {};
    const MemoryFit found = look_at_memory(bytes, bytes.size(), boot_id);
    if (found.fit != StateFit::whole)
        return found.fit;
    if (first_record<std::uint64_t>(bytes) == kMagicBefore)
        read_memory_before(bytes, contents);
    else
        read_sections(bytes, first_record<StateDirectory>(bytes), contents);
    drop_free(contents);
    return StateFit::whole;
}

} // namespace xk::authz
