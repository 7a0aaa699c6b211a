; A choir on one vowel, several singers a note.
;   p10 0 ah, 1 oh, 2 oo
; Harmonics of the voice through the five formants of the vowel: of a bass at C3 and
; below, of a soprano at C5 and above, in between of a voice in between. Formants: the
; table "Formant Values" of the Csound manual, https://csound.com/docs/manual/MiscFormants.html
giFormantsBass[][] init 3, 5
giFormantsBass fillarray 600, 1040, 2250, 2450, 2750, 400, 750, 2400, 2600, 2900, 350, 600, 2400, 2675, 2950
giLevelsBass[][] init 3, 5
giLevelsBass fillarray 0, -7, -9, -9, -20, 0, -11, -21, -20, -40, 0, -20, -32, -28, -36
giFormantsSoprano[][] init 3, 5
giFormantsSoprano fillarray 800, 1150, 2900, 3900, 4950, 450, 800, 2830, 3800, 4950, 325, 700, 2700, 3800, 4950
giLevelsSoprano[][] init 3, 5
giLevelsSoprano fillarray 0, -6, -32, -20, -50, 0, -11, -22, -22, -50, 0, -16, -35, -40, -60
giChoir[] init 3 * giKeys

instr choir
  iHold = p3
  iFade = .4
  p3 = iHold + iFade
  iKey TopKey p4, p8
  iAt = p10 * giKeys + iKey
  if giChoir[iAt] == 0 then
    iHz = 440 * 2 ^ ((iKey - 69) / 12)
    iHigh = limit((iKey - 48) / 24, 0, 1)
    iCount Harmonics iKey, 90
    iAll[] init iCount
    iN = 1
    while iN <= iCount do
      iSum = 0
      iFormant = 0
      while iFormant < 5 do
        iCentre = giFormantsBass[p10][iFormant] * (1 - iHigh) + giFormantsSoprano[p10][iFormant] * iHigh
        iLevel = giLevelsBass[p10][iFormant] * (1 - iHigh) + giLevelsSoprano[p10][iFormant] * iHigh
        ; Many throats: wider than one singer's.
        iSum += 10 ^ (iLevel / 20) / (1 + ((iN * iHz - iCentre) / (90 + iCentre / 12)) ^ 2)
        iFormant += 1
      od
      ; A little of all harmonics, and of the lowest more, so that no note loses its pitch.
      iAll[iN - 1] = (iSum + .25 * exp(-(iN - 1) / 1.5)) / iN ^ .7
      iN += 1
    od
    giChoir[iAt] Wave iAll, 1, 90
  endif
  kHz Pitch p4, iHold, p8, p9
  iLeft, iRight Sides .068, p5, 1.6, p7, p6
  iOwn Own p4, p5, p6
  kAway1, kAway2 Players kHz, 6, 9, iOwn
  iRise = min(.11, iHold / 2)
  aShape transeg 0, iRise, 0, 1, iHold - iRise, 0, 1, iFade, -5, 0
  ; The pairs are weaker than the first player, who is never cancelled, and stand a
  ; little to the left and to the right.
  aFirst poscil3 1, kHz, giChoir[iAt]
  aHigh1 poscil3 .24, kHz + kAway1, giChoir[iAt], iOwn
  aLow1 poscil3 .24, kHz - kAway1, giChoir[iAt], 1 - iOwn
  aHigh2 poscil3 .24, kHz + kAway2, giChoir[iAt], frac(iOwn * 5)
  aLow2 poscil3 .24, kHz - kAway2, giChoir[iAt], 1 - frac(iOwn * 5)
  aPair1 = aHigh1 + aLow1
  aPair2 = aHigh2 + aLow2
  aMiddle = aFirst + aPair1 + aPair2
  aSide = (aPair1 - aPair2) / 3
  outs (aMiddle + aSide) * aShape * iLeft, (aMiddle - aSide) * aShape * iRight
endin
