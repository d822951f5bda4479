"""How ROOT describes the classes of a TTree to itself: the record ``StreamerInfo`` of a ROOT file.

It is the list that ROOT 6.40 writes into every file with a tree that has a branch of each type of
:mod:`taumltools.tuples.ttree_header`: TTree 20, TBranch 13, TBranchElement 10, TLeaf 2, TLeafB, S, I, L, F, D, O and
Element 1, and their bases.  Newer ROOT releases read old classes by it; nothing in it depends on the file.
"""

from __future__ import annotations

import base64
import functools

KEY_LENGTH = 64
"""Bytes of the record's key: references inside of the list count from its start."""

UNCOMPRESSED = 18_865
"""Size of the list in bytes."""

_BASE85 = (
    "T1*Jn5dg7C0C?KvTx*Qn)^(;<yL#>FWlOT`I5IP_y$@Tq>{yn)&N|wM)Qr8-s+y7HNY;ZhyxgIdLykz!t~RoxwOYrq6F(|BZsNp-o1!g>CPrGLZQ"
    "24xnzl*M7I1<7>W{wAA3=elL4l(E)5JaJ+{2m68O|<gtz`ijEM_<)hu_C@&ONVtxqG$zceEaDg{Hi2*{j{)y$`QqA@qe&6@K2eJPr1KPFuHE({6;"
    "*<qzP!r&#ob(0ub>F2as2aMA<x)2Y(gQQtS_@n<=0WgOuX_y$*cF@`c`1OoTYX)EEqs&&KrqYW&0ttuXb^UR@QMd&3Xumj!leBIDp+^c(~v!Wd81"
    "NiN3J+wnd48o7bwU*aE|M6p=R=;<TjTZLd%>bOWplN>&pQngIktp1uQdm<Q4Z}&>6&vwQH^R`jOZ89$TEgqq)%)^ENL_H%8Ad7-(&q?is10eq?Ko"
    "TTO*cSBOTfMV4?~wb!JTEe62Uz|aDyt`I)po5_%p)aEI*b&8~pf}|04+vuYaLcuXedOUnAw7Av(v2K!5Cht$i-wiD2`=dbI@bo}~-92aaySGqgos"
    "YbHH+`oRZIhj86j7PPLf!{?U>>k?s2saR{Rq8E<M!<{_@8-}C14agGi)ooWdK<FjkaLX0=UJ_twLN9yOnlFOD_S~$TUS>|u5vON})4@2W<93ZW?M"
    "cVUutGR|6_f&|G((gGQMzBH)N2)tSz!{Xo10oO>Y*3l0ZA+??0JT*Ny8-AJu2*aYrj(uDhzyU9C)WCk9{!gS;lq=yV8!m+Bzoe=}MSGucpt@wmuN"
    "RHu<^X;erU|8H0?wDE2DTtCt+n0eM(O-e47Na<!n<S;N^u-$3c|D{8+Ae!vby*>g?2@s&8}76V@iKgPkx$N?csxB8jb(6<U@!`*KS$Lwzk+poI~y"
    "RZ3RWufg(BMm$`1H8xZ(*$o2{HNj~KT<P|Q0$N&y5);=b>Wuh$-ARdn4k2#S_a718S*kgeuW@UsgT>O31Jy^C#0)SSymvzN#PFXT|2Zv*swhvR!|"
    "C-a)urnpi2}%C<D+8>?_qROZZvz@dmT|DzST+*cow4I5-YQ4vIf)xYJ@^QzyJz_i;Zt1k(h@9x(EVlm{`%6c&Ug93XoCD2x~yO#Nt#DG4s=s(P&h"
    "#(DPEyJ6F=)~kxUVy}(-$`I0VSK0Q<b;s}(ab+5}3ry)eQS#euczr~PY~}XOq(D$$&1LYISvkDG94--ur-(yd<**Ss9JT$hZa4+|^WyG^MM(ZUfL"
    "-Lxr3myHQ448Ui>l|(XJzv?v-xde^A@qG#^VVpA07D7QFhpRNKUOHT)lCyA(%Pe4nsHsV{T{j=s*--ggMA@2*hXB%figc_#I~ad&Ky+h_N5{Lk)9"
    "1KH6~gt)%IAXV&uYGSdDc)BXa{K2Nmw#Ra`D2<<Aku6qt9nVaCFdc_VxZ`wDix?@-EFtY)^+n!Y&@+d%PWCG36dO+p3$%=Us*Sz;c+`*jGCygK^%"
    "JURv^|I<`?tyDOv=q;^5zis40$MzntPz0MpDt*<KZVafAg))4>uHs1U&Iy1&%QRE2a|k^Fv^t%V_6VP+p}O3%gz3snEa=x+!%GS!qL7)H*}e9=xE"
    "$k=BM@xBdmilj^w9wi?`7*q@yOvu9$P?cSgo6LknbhuGvWU@ID@uC0FOy=EGA{#o^&%6BGE%C(za?<{;-2?V0#mYm7lRO@hgyxT76#bVQbJiwLt("
    "`=PU3&^Fu&pPwhNkihoFqyMA;M-$vNVf$FV)ucs}fNa;aXKfSQDT_gO=-kXKekVZ$%Ft2kgkO%=B%_WEAuM<#5`-bYlhVZbDDw_bWmtmB)POves<"
    "^#N=7~iF7(ySupsn{P9q*#Sft+^6he+Nv#rdO#Qy0OF1<wxw*v4J@EbU`M*}fRw>LQ6|LRN+ZSR%kD+Y8ZE5^x*6qYMIxnHepQ{%JwmIEY3`XhC}"
    "#yw1YWMp!vkQIy<}SS5=A8&u)W52lgrh9bvg`YFnIj!Ae#!X^?A#r3`)ybGk+xmuHg!zN(SAze743SKD4rrwtsTFtEv#RuP!KsH<+R<Ml*dObh~N"
    "EQqZA_%;)ZJ;(tMs}c6HzpIMUu8;95vAGoA-azJ!C_$y$Spmn*J@w|SP`IRig2h%$#E9N^cEY}9YVy*3*e66^9AZMZBe^S-1&)mH!I*Q6V84OKA&"
    "uDF0JI|(loa`PE$+b2;JA6G1pU+o?tVDQXPFKOBN1}wX%KXW8dG|scjU-{0n@7U^E&{T@(-y`gRq%$HM#B%q=V11Vged8@!RGjV?W!Bmg#37PK3m"
    "r+yCN93~t+K6Z=P2kT=XYKmpSK(*{<wd^FdY*p0~NiY%)>SdMGi}v$Yy>zi&LQbe0B5e`rds~KpYeNZ`pV-d4>-0S?r}ax!Gks9N+S4w1$547!!c"
    "{%%KwK$fkd<vM*`aP>F{}q61X0K_Js-2ijhO&Za`P;?b0oQKs^l7d#HdLKoL1!7q(?iM^clVdRo}VzP{nJGdyeO?qXuOeH(B^yi;?dMDlnkaV-&)"
    "9M@WnSH$M!FW40MqB*q+WrpG|(-^S9vse|;fts3=Ak;YHiaDURta0RnINv9ucPn_0ScukW2#%9wty9!bQkqQ)`jCw#BJ<BqBnq;(Hm66gAj(WY|M"
    "^_ZsMj!8Fqb8GAeczq&1V&z!<kZK#=IlaBjYDFJaI)KKiE)k-PO;sW_eMBSvh+qUu#Fd4%4PIej%QFd{)bW%+IL73x2c+F&+4^Xe&gOv9DAN(vkh"
    "AnvVs+If^VQeH*kP%U~4=D&rglXdQ|IOs>E2|aB}5}f!TBKpGfAtzn>HzWQ5l?{rU^v#vj9JFG#+<ms<I5W4;$TZhwT+K-YM3#%B$krEey|Js6LO"
    "<J`}<ZM@m<hiYh6I8-GX&a?-`W2Ks*51G{d-xD|NF)BpSuy;hQ(E@j|ba_l4qi$9P*eeYCWrBT{V2{PyXdgvaw#Kw7M5{!!9*Db>V<2H6Z~GSNm@"
    "pVO8M%7TfVt#6RiC_3+4k5yUiW=SfVfe^r~?i%!M?8rmPomWECgizIheJ{^gNe?&k&~z?VVP&qj9I&(P;KD$}k+TCgDED2X9?iETB_F=85)kxZ09"
    "Nu$65AY(u&E463LzQk9UV3F+asp7$6xX4>1!(UHK@EyK^yY@cS}(*!JC&0Q^%a5cw<fdFIuhN%3)J#zSGxW@`ZU5hE$ON^!VeMaNAwcqvwIRP`!g"
    "u^jx;Q_YtxHV^G@e;H6BC%L#?~OJmf*)LT(pC1ImSGzBMP~FYF}g^MCX=Uucc)==)sw&%xIw4R4nCaR4b1I)RBvqvwvV`Mow+%NS6eZ=llp_Y0?z"
    "k-mC*AHeNL{&XpetuIQ|8nP_U!k>{Wul#+~q&2)x!lKKdA(OrigT;(bmkfv~~GMfZ;>=Uq!VgKlsJ*ydiZdbB7}!-*MY_J(4ik0&vsp?hDPnQQ`K"
    "gpQA4>d{NGnfvjbh`zx@<vi*f5gkv=Uxb($it`*bO`07Fl7+ZD1mEKBj5;}RCO)(vdlZ<==J8F+&7sLI@G{XnAtaYjwt(L;^?_VYw=EQCfalZ6hV"
    "1$26=9gdAI#d_`7u|3-%o0~!O*kDw2eC+KgG?R*SY$;+^PDzz?pMEnX}#A-|eA`_T$^IZi=An+clcOrimwxZ>A9%dWb8A5?<9E&m8WQNhhs!cr-q"
    "y57;io?g9RkZETb(coi#}S%*Mg6J=~QnVh&Rn!I#lEtC>orVay93bAbPApLGrDzp2^q;+~I@<@0<uX~TwW%s?Ux?Fwz6k^Y?K-KAj*yL+Bga`Li&"
    "HTZ#&jYk09c0v^kBS2naeqM8bx(%8DXC%EGF<>9aDiLyU`wz@c~F>8Ejlgkl1ql7?Dr1Ne&II99Vi6?iZTrafN{aj!3@anGxGlu@_!NX58`*64`_"
    "1q+XEw^uNZIz+>s&8_-@FA9bEnaqW9<QKn&ia>qQg>{E2gQ8%!U|nb3p03TF}wy&tbp_Udlf59jVDV<NlVCpAf0j26FuY^w&j4!E9C#u*-GUV6$%"
    ";p~g~*QoOwmK;kZ&vP(wWfAx!0*6E}(ozQnN4OVqds7Ngd!+sDv!H*2=VY!B`iq4AWJ`k-#4?Venoy?6aHmcJL@u+2Z&N_#@h~tabkoya4>FlKDI"
    "q#nhK)2+MsRtWs`+b<8b9b1H456+zW;oWqsBKmYP@=#MvbRf*CBm#mnmwbZ!xC9&mJ~1w1I!f>U_78I`i5W&c1y!tMhBD&R4EebtVnnt5;`Q-<bw"
    "IyE0RuqbmQ7Rr%vis+`pR>Hak(R^_)?m9Jl?s=Ua;oTG2&mPwVF3gk2tvg<QFg;ef#zc&1jZ}`8^?l$FI%ZKJ})6ey+_*+)zUv^UGgtqym=Vn=*Z"
    "?ZaHyH3^lG>fxN-@Ii~XNINqX$WN3XIcWOis&h=>+R3}{V#M8ojUjZaEj=3@F4wFJyMxHKO<${sw#6syr9s2GIgqq$vB+-o>Xejk6M-5mwq{ty!h"
    "rwf2>!U7jJv<jB1+#*UP3VHJ;R_>YjM@Fzy&ZfYtkLv_&O5J@p|h;S0CisNXZLNUAb)$K{K?)*%CDu@HMp)b*;-F1?IYG6G&<Ky^B?5C@bsF=7oz"
    "fP{oqVlh@Q`}#nkI5~)`5gfR898t=Gwv2LEe6i75YrG=LGlhC}bF|SQ_CZ!RCCy*nAAdrEG<{U~I8AU9e=5@p5p?>xWri`!gn6=kCD%$TKe2<mFn"
    "S<-yE&f$vbX55()5}2afUlgaFYbLBffwOn=rjRelm7jmb{tuR<ytmQMT}k<bd~Og-d#@;ITw6_dw+3qBZZb$<}JQjbh)R$8OUzd5(Jx7m3My`;2c"
    "N&j3-k;SOb0YR$K+hCk19AhPYym=9U9ov<<POo!wnHbg~z#AYn61BJ@{{R$WPT-@@p!La@f4(nGa65OIjf<Cn^rM)%vr7IlVr#ZNvzD|StH6F81F"
    "x(-6dyL?2Z6C91DR5^QLMTdZTWIelw!7^h)a<|di$6mUIQ(^9C-rNc)=8ab#nebKR(sUkP%MaZ<Bibpv4VU~QP8MULdNLWcoOUXa~}C&l2!=(J-("
    "G6B_$m(*v561<(_(r%`5L{Zt6w}9Gg+5H7=qN8rojR{_StRnRHJp+lSB1>OHBj(M51|VTDJ}nd@Ltx6PS_`kc&Q`y%dbQR*bysg1kJmM<*%lx&Yh"
    "E3cFX8kNb77;Ng{Gs!kLk+g7+X9%?w;mzzhKF-FrwN*D78}W)=tnh)P)ufHJ{@N$cyz?`b@z431|I=yB?KRAreGWeAD!i6;>Cs~j+iUSBQyR}dq="
    "_`^8fRmW>H2pmw61?8q1~hkZEf?qUwQt-vvQ1deNW1)>$|No>$&!0B(2$+^=ef<&s{RgGjoP-(wY?`v`e;Qhgs5<Z?T$QC&*XZpCMes6-JOZWNu{"
    "Xa!2E_8GS%Z%jfx{RdRa8bIj;zmbMxwNT=3lc?V`P=a{8UEX%}lSNzG0sX15pw@OXme2j$0M|iSW(;C(#g1#Al45c`UKYw2SM~<Xi>X3X8`j?L6C"
    "xZSX_>RIV@^1WE59EqM7Afokz5n-8er>}n5c2#_2joMdrGF#nBEH8i;=4)K-uRy}zx$>*%n{)^jtCb!MTCzmY<H;g?u!?nlir;0#~>Lsx6`Ix!tE"
    "$tWX;v*8BkrbG!h?gxH5G}KG4fa9IhCnkpLNTXxL<EhT9zRspl3hk$q8O1>eHv{|(x!_2TnsQ`X_SLu&<*-5*8&2dMcx)NiU(U&C~71Z>sR1F!Cv"
    "1=Xh`IU1NbJv97j5ytn;%A$27cVg##51!2N??!Ub*(15+f9#NhTQ}jn3wrW#eMG-+*REZU=uhW#dYpGb`|O*zKv(7aD_6(&p=7?XM~xMpvHif0$!"
    "Y%&iCCTM"
)


@functools.cache
def streamers() -> bytes:
    """The list as it lies in the file: one block that ROOT compressed with zlib."""
    return base64.b85decode(_BASE85)
