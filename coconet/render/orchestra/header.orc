; What all instruments share. Each note brings these p-fields:
;   p1 instrument        p4 Hz                  p7 level in dB
;   p2 start in seconds  p5 velocity 1-127      p8 cents by which the pitch moves
;   p3 seconds held      p6 pan, 0 left-1 right p9 in its last so many seconds held
; and from p10 on, what its instrument says. Nothing is shared between notes but
; tables, and nothing is left to chance: a note sounds the same wherever it stands.
;
; What makes sound, and its envelopes, stands in the instruments themselves: inside an
; opcode of one's own Csound 6 begins it with the block, not with the note.
sr = 44100
ksmps = 64
nchnls = 2
0dbfs = 1

giSine ftgen 0, 0, 4096, 10, 1
; Waves are made when a note first needs them, one for each key up to this one.
giKeys = 137

; Gains of the left and the right side, of the same power at any pan: iGain at full
; velocity, to a power that suits the instrument, at 0 dB.
opcode Sides, ii, iiiii
  iGain, iVelocity, iPower, iLevel, iPan xin
  iGain *= (iVelocity / 127) ^ iPower * 10 ^ (iLevel / 20)
  xout iGain * cos(iPan * $M_PI_2), iGain * sin(iPan * $M_PI_2)
endop

; Hz over time: steady, then moving evenly in cents until the key is let go.
opcode Pitch, k, iiii
  iHz, iHold, iCents, iTime xin
  if iCents == 0 then
    kHz = iHz
  else
    ; A segment of no length would leave the move out.
    iMove = min(iTime, max(0, iHold - 1 / kr))
    kCents linseg 0, iHold - iMove, 0, iMove, iCents, 1, iCents
    kHz = iHz * cent(kCents)
  endif
  xout kHz
endop

; A number from 0 to 1 by which notes differ: of what the note is, never of when.
opcode Own, i, iii
  iHz, iVelocity, iPan xin
  xout frac(iHz * .6180339887 + iVelocity * .7548776662 + iPan * .5698402910)
endop

; The key at or above the highest pitch that a note reaches.
opcode TopKey, i, ii
  iHz, iCents xin
  xout limit(ceil(69 + 12 * log2(iHz * cent(max(0, iCents)) / 440) - .001), 0, giKeys - 1)
endop

; How many harmonics of a key lie below 20 kHz, at most iMost.
opcode Harmonics, i, ii
  iKey, iMost xin
  xout limit(int(20000 / (440 * 2 ^ ((iKey - 69) / 12))), 1, iMost)
endop

; A table of one period: harmonics iFirst to iLast of those given, 1 to all of them
; together having the power of a sine of amplitude 1.
opcode Wave, i, i[]ii
  iStrengths[], iFirst, iLast xin
  iCount lenarray iStrengths
  iKept[] init iCount
  iPower = 0
  iN = 0
  while iN < iCount do
    iPower += iStrengths[iN] ^ 2
    iN += 1
  od
  iN = iFirst - 1
  while iN < min(iLast, iCount) do
    iKept[iN] = iStrengths[iN] / sqrt(iPower)
    iN += 1
  od
  iTable ftgen 0, 0, 4096, -10, iKept
  xout iTable
endop

; Hz by which the players of a section stand off their pitch. One is exactly on it; two
; pairs stand around it like mirror images, with slow drifts and a vibrato, so that the
; sum shimmers while its spectrum stays symmetric about the pitch:
; cos(a + b) + cos(a - b) = 2 cos(a) cos(b).
opcode Players, kk, kiii
  kHz, iCents, iVibrato, iOwn xin
  kDrift1 poscil .35, .23, giSine, iOwn
  kDrift2 poscil .35, .31, giSine, frac(iOwn + .4)
  kSwing1 poscil iVibrato, 5.1, giSine, frac(iOwn * 3)
  kSwing2 poscil iVibrato, 5.7, giSine, frac(iOwn * 7)
  kCent = kHz * log(2) / 1200
  xout kCent * (iCents * (1 + kDrift1) + kSwing1), kCent * (iCents * 1.6 * (1 + kDrift2) + kSwing2)
endop
