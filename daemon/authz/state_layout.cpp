// SPDX-License-Identifier: MIT
#include "daemon/authz/state_layout.h"

#include "daemon/authz/state.h"

#include <sodium.h>

#include <algorithm>
#include <cstddef>

namespace xk::authz {
namespace {

// The properties of a section in this release.
struct Known {
    SectionType type;
    std::uint32_t version;
    std::size_t record_size;
    std::size_t most_records;
    bool in_memory, in_copy; // whether it must be there, in a known version
    bool must_be(bool live) const { return live ? in_memory : in_copy; }
};
constexpr Known kKnown[] = {
    {SectionType::judgement, 1, sizeof(StateHeader), 1, true, true},
    {SectionType::credentials, 1, sizeof(CredentialState), kCredentialStates, true, true},
    {SectionType::asked, 1, sizeof(Asked), kMostAsked, true, false},
    {SectionType::pending, 1, sizeof(PendingUse), kMostPending, true, false},
    {SectionType::hellos, 1, sizeof(HelloState), kMostHelloStates, false, false},
    {SectionType::replay, 1, sizeof(ReplayEntry), kMostReplayEntries, true, true},
};

const Known* find_known(SectionType type) {
    const auto known = std::ranges::find(kKnown, type, &Known::type);
    return known == std::end(kKnown) ? nullptr : known;
}

StateFit check_section(const Section& section, bool live) {
    const Known* const known = find_known(section.type);
    if (known == nullptr || section.version > known->version)
        return section.optional == 1 && (known == nullptr || !known->must_be(live)) ? StateFit::whole : StateFit::newer;
    const bool whole_records = section.record_size != 0 && section.length % section.record_size == 0;
    const bool fits = section.version == known->version && section.record_size == known->record_size && whole_records &&
                      section.length / section.record_size <= known->most_records &&
                      (known->most_records != 1 || section.length == section.record_size);
    return fits ? StateFit::whole : StateFit::damaged;
}

bool has_all(const StateDirectory& directory, bool live) {
    for (const Known& known : kKnown) {
        const auto count = std::ranges::count(directory.section, known.type, &Section::type);
        if (count > 1 || (count == 0 && known.must_be(live)))
            return false;
    }
    return true;
}

} // namespace

std::string_view complaint_of(StateFit fit) {
    switch (fit) {
    case StateFit::newer:
        return "was written by a newer release";
    case StateFit::too_old:
        return "was written by a release that is older than the one before this";
    case StateFit::damaged:
        return "is damaged";
    case StateFit::whole:
    case StateFit::empty:
    case StateFit::other_boot:
        break;
    }
    return {};
}

StateFit fit_of_magic(std::uint64_t magic) {
    if (magic == 0)
        return StateFit::empty;
    if (magic == kStateMagic || magic == kMagicBefore)
        return StateFit::whole;
    const auto tens = static_cast<std::uint8_t>(magic >> 8), ones = static_cast<std::uint8_t>(magic);
    const bool is_ours = magic >> 16 == kStateMagic >> 16 && tens >= '0' && tens <= '9' && ones >= '0' && ones <= '9';
    return !is_ours ? StateFit::damaged : magic > kStateMagic ? StateFit::newer : StateFit::too_old;
}

Bytes<32> checksum_of(ByteView bytes) {
    Bytes<32> sum;
    crypto_generichash(sum.data(), sum.size(), bytes.data(), bytes.size(), nullptr, 0);
    return sum;
}

namespace {

ByteView sealed_part(const StateDirectory& directory) {
    return {reinterpret_cast<const std::uint8_t*>(&directory), offsetof(StateDirectory, checksum)};
}

} // namespace

void seal_directory(StateDirectory& directory) { directory.checksum = checksum_of(sealed_part(directory)); }

bool is_sealed(const StateDirectory& directory) { return directory.checksum == checksum_of(sealed_part(directory)); }

StateFit check_directory(const StateDirectory& directory, std::uint64_t size, bool live) {
    if (const StateFit fit = fit_of_magic(directory.magic); fit != StateFit::whole)
        return fit;
    if (directory.magic != kStateMagic || !is_sealed(directory) || directory.size != size ||
        directory.live != (live ? 1 : 0) || directory.sections > kMostSections)
        return StateFit::damaged;
    std::uint64_t end = sizeof directory;
    bool newer = false;
    for (std::size_t i = 0; i < kMostSections; ++i) {
        const Section& section = directory.section[i];
        if (i >= directory.sections) {
            if (section.type != SectionType::none)
                return StateFit::damaged;
            continue;
        }
        const StateFit fit = check_section(section, live);
        if (section.type == SectionType::none || section.offset != end || section.length > size - end ||
            fit == StateFit::damaged)
            return StateFit::damaged;
        newer = newer || fit == StateFit::newer;
        end += section.length;
    }
    if (end != size || (!newer && !has_all(directory, live)))
        return StateFit::damaged;
    return newer ? StateFit::newer : StateFit::whole;
}

const Section* find_section(const StateDirectory& directory, SectionType type) {
    const auto found = std::ranges::find(directory.section, type, &Section::type);
    const Known* const known = find_known(type);
    return found == directory.section.end() || known == nullptr || found->version > known->version ? nullptr : &*found;
}

} // namespace xk::authz
